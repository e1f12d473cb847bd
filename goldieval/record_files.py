"""Records as files: one JSON and one Parquet of per-sample outcomes for each model and task, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from pydantic import ValidationError

from goldieval.card import validation_line
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.paths import inside
from goldieval.core.reading import read_json
from goldieval.errors import GoldievalError
from goldieval.files import atomic_write_all
from goldieval.record import SCHEMA, Outcomes, Record


def record_path(out: Path, record: Record) -> Path:
    """Return ``<out>/<model>/<task>@<version>-<key>.json``; a failure is named by its setting, never over a success."""
    model = re.sub(r"[^A-Za-z0-9._-]+", "_", record.model.spec).strip("._")[-60:]
    failed = record.status == "failed"
    name = f"{record.task.name}@{record.task.version}-{(record.setting if failed else record.key)[:8]}"
    return out / f"{model}-{record.model.fingerprint[:8]}" / f"{name}{'.failed' if failed else ''}.json"


def write_record(
    out: Path,
    record: Record,
    outcomes: dict[str, np.ndarray] | None,
    pictures: Mapping[str, bytes] = MappingProxyType({}),
) -> Path:
    """Write outcomes, pictures and the record that names them, all whole or none; return the record's path.

    Raises:
        GoldievalError: the folder cannot be written or the disk is full; nothing half-written is left.
    """
    path = record_path(out, record)
    files: dict[Path, bytes] = {}
    if outcomes is not None:
        file, table = path.with_suffix(".parquet"), _parquet(outcomes)
        rows = len(next(iter(outcomes.values())))
        made = Outcomes(file=file.name, sha256=hashlib.sha256(table).hexdigest(), rows=rows)
        record = record.model_copy(update={"outcomes": made})
        files[file] = table
    if pictures:
        folder = f"{path.stem}-pictures"
        record = record.model_copy(update={"pictures": [f"{folder}/{name}" for name in pictures]})
        files |= {path.parent / folder / name: content for name, content in pictures.items()}
    files[path] = (record.model_dump_json(indent=1) + "\n").encode()
    try:
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_all(files)
    except OSError as error:
        raise GoldievalError(
            f"cannot write {path}: {error.strerror or error}. Free some space or name --out."
        ) from error
    if record.status != "failed":
        record_path(out, record.model_copy(update={"status": "failed"})).unlink(missing_ok=True)
    return path


def read_record(file: Path) -> Record:
    """Read one record.

    Raises:
        GoldievalError: not a record, truncated, or written by a newer version; one line naming the file.
    """
    try:
        content = read_json(file, RECORD_BYTES)
        newer = isinstance(content, dict) and content.get("schema_version", 0)
        if isinstance(newer, int) and newer > SCHEMA:
            raise GoldievalError(f"{file} has record schema {newer}, this goldieval reads up to {SCHEMA}: upgrade it.")
        return Record.model_validate(content)
    except ValidationError as error:
        raise GoldievalError(f"{file} is no record: {validation_line(error)}") from None
    except (OSError, ValueError) as error:
        raise GoldievalError(f"cannot read the record {file}: {error}") from error


def read_outcomes(file: Path, record: Record) -> dict[str, np.ndarray]:
    """Read the per-sample outcomes of the record in ``file``.

    Raises:
        GoldievalError: the Parquet file is missing or is not the one that the record names.
    """
    import pyarrow.parquet as pq

    if record.outcomes is None:
        raise GoldievalError(f"{file}: a {record.status} record has no per-sample outcomes.")
    table = inside(file.parent, record.outcomes.file)
    try:
        content = table.read_bytes()
    except OSError as error:
        raise GoldievalError(f"{file}: its outcomes {table.name} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != record.outcomes.sha256:
        raise GoldievalError(f"{file} and {table.name} disagree: run the task again.")
    columns = pq.read_table(io.BytesIO(content))
    return {name: columns[name].to_numpy() for name in columns.column_names}


def find_records(place: Path) -> list[Path]:
    """Return the record files in a folder (or the one file), sorted.

    Raises:
        GoldievalError: no such place.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise GoldievalError(f"no results in {place}: no such file or folder.")
    return sorted(file for file in place.rglob("*@*-*.json") if not file.name.startswith("."))


def _parquet(outcomes: dict[str, np.ndarray]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(list(column)) for name, column in outcomes.items()}), buffer)
    return buffer.getvalue()

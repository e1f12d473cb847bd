"""Files of records: one JSON file and one Parquet file of per-sample outcomes per model and task; see ``writing``."""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import OUTCOME_BYTES, RECORD_BYTES
from goldieval.core.paths import inside
from goldieval.core.reading import read_bytes, read_json
from goldieval.core.temporary import sweep
from goldieval.core.text import natural_order
from goldieval.records.schema import SCHEMA, Record
from goldieval.tasks.validation import validation_line


def record_path(out: Path, record: Record) -> Path:
    """Return ``<out>/<model>/<task>@<version>-<key>.json``; the name of a failure contains its setting instead."""
    model = re.sub(r"[^A-Za-z0-9._-]+", "_", record.model.spec).strip("._")[-60:]
    failed = record.status == "failed"
    name = f"{record.task.name}@{record.task.version}-{(record.setting if failed else record.key)[:8]}"
    return out / f"{model}-{record.model.fingerprint[:8]}" / f"{name}{'.failed' if failed else ''}.json"


def record_digest(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a record's JSON without ``sha256``, keys sorted and without white space."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sweep_results(out: Path) -> None:
    """Remove partial files of killed runs from a results folder."""
    sweep(out, *out.glob("*/"), *out.glob("*/*-pictures*/"))


def read_record(file: Path) -> Record:
    """Read one record.

    Raises:
        GoldievalError: the file is not a record, is damaged, or was written by a newer version.
    """
    try:
        content = read_json(file, RECORD_BYTES)
        newer = isinstance(content, dict) and content.get("schema_version", 0)
        if isinstance(newer, int) and newer > SCHEMA:
            raise GoldievalError(f"{file} has record schema {newer}, this goldieval reads up to {SCHEMA}: upgrade it.")
        record = Record.model_validate(content)
        if record.sha256 and record.sha256 != record_digest(content):
            raise GoldievalError(
                f"{file} is damaged or was edited: its sha256 does not match its content. Run the task again."
            )
        return record
    except ValidationError as error:
        raise GoldievalError(f"{file} is not a record: {validation_line(error)}") from None
    except (
        OSError,
        ValueError,
    ) as error:  # ValueError: not UTF-8, not JSON, nested too deeply, or a number with thousands of digits
        raise GoldievalError(f"cannot read the record {file}: {error}") from error


def read_outcomes(file: Path, record: Record) -> dict[str, np.ndarray]:
    """Read the per-sample outcomes of the record in ``file``.

    Raises:
        GoldievalError: the Parquet file is missing or is not the one to which the record refers.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if record.outcomes is None:
        raise GoldievalError(f"{file}: a {record.status} record has no per-sample outcomes.")
    if Path(record.outcomes.file).name != record.outcomes.file:
        raise GoldievalError(f"{file}: its outcomes {record.outcomes.file!r} are not in the same folder.")
    table = inside(file.parent, record.outcomes.file)
    try:
        content = read_bytes(table, OUTCOME_BYTES)
    except OSError as error:
        raise GoldievalError(f"{file}: its outcomes {table.name} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != record.outcomes.sha256:
        raise GoldievalError(f"{file} and {table.name} do not match. Run the task again.")
    try:
        columns = pq.read_table(io.BytesIO(content))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise GoldievalError(f"{table} is not a Parquet file: {error}") from error
    return {name: columns[name].to_numpy() for name in columns.column_names}


def find_records(place: Path) -> list[Path]:
    """Return the record files in a folder (or the one file), sorted; ``epoch_9`` is before ``epoch_10``.

    Raises:
        GoldievalError: the place does not exist.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise GoldievalError(f"no results in {place}: no such file or folder.")
    found = (file for file in place.rglob("*@*-*.json") if file.is_file() and not file.name.startswith("."))
    return sorted(found, key=lambda file: [natural_order(part) for part in file.parts])

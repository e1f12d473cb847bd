"""Files of records: one JSON file and one Parquet file of per-sample outcomes per model and task, written atomically.

A file that a record refers to is never overwritten: new outcomes get another name, and the record that refers to them
replaces the old one last. A concurrent reader or writer, or a run after a kill, always finds a record that matches its
outcomes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic import ValidationError

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write_all, has_content
from goldieval.core.limits import OUTCOME_BYTES, RECORD_BYTES
from goldieval.core.locks import lock_folder
from goldieval.core.paths import inside
from goldieval.core.reading import read_bytes, read_json
from goldieval.core.temporary import LEFTOVER_S, sweep
from goldieval.records.parts import Outcomes
from goldieval.records.schema import SCHEMA, Record
from goldieval.tasks.validation import validation_line


def record_path(out: Path, record: Record) -> Path:
    """Return ``<out>/<model>/<task>@<version>-<key>.json``; the name of a failure contains its setting instead."""
    model = re.sub(r"[^A-Za-z0-9._-]+", "_", record.model.spec).strip("._")[-60:]
    failed = record.status == "failed"
    name = f"{record.task.name}@{record.task.version}-{(record.setting if failed else record.key)[:8]}"
    return out / f"{model}-{record.model.fingerprint[:8]}" / f"{name}{'.failed' if failed else ''}.json"


def write_record(
    out: Path,
    record: Record,
    outcomes: dict[str, np.ndarray] | None,
    pictures: Mapping[str, bytes] = MappingProxyType({}),
    requested_setting: str = "",
) -> Path:
    """Write outcomes, pictures, and last the record that refers to them; return the path of the record.

    A success removes an earlier failure of the same setting, and one of ``requested_setting``, which can differ where
    a limit turns out to leave nothing out.

    Args:
        out: folder for records.
        record: the record.
        outcomes: columns of the Parquet file by name; None for a failure.
        pictures: PNG files by name.
        requested_setting: key of the requested setting; empty if it is that of the record.

    Raises:
        GoldievalError: the folder cannot be written or the disk is full; an existing record is left unchanged.
    """
    path = record_path(out, record)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock_folder(path.parent):
            _write_beside(path, record, outcomes, pictures)
    except OSError as error:
        raise GoldievalError(
            f"cannot write {path}: {error.strerror or error}. Free disk space, or choose another folder with --out."
        ) from error
    for setting in (record.setting, requested_setting or record.setting) if record.status != "failed" else ():
        with suppress(OSError):
            record_path(out, record.model_copy(update={"status": "failed", "setting": setting})).unlink(missing_ok=True)
    return path


def _write_beside(
    path: Path, record: Record, outcomes: dict[str, np.ndarray] | None, pictures: Mapping[str, bytes]
) -> None:
    files: dict[Path, bytes] = {}
    if outcomes is not None:
        table = _parquet(outcomes)
        sha256 = hashlib.sha256(table).hexdigest()
        file = _available_path(path.with_suffix(".parquet"), path.with_name(f"{path.stem}-{sha256[:8]}.parquet"), table)
        part = Outcomes(file=file.name, sha256=sha256, rows=len(next(iter(outcomes.values()))))
        record = record.model_copy(update={"outcomes": part})
        files[file] = table
    if pictures:
        folder = _picture_folder(path, pictures)
        folder.mkdir(exist_ok=True)
        record = record.model_copy(update={"pictures": [f"{folder.name}/{name}" for name in pictures]})
        files |= {folder / name: content for name, content in pictures.items()}
    files[path] = (sealed(record).model_dump_json(indent=1) + "\n").encode()
    before = _outcome_file(path)
    atomic_write_all(files)
    with suppress(OSError):
        _remove_superseded(path, before, _outcome_file(path))


def sealed(record: Record) -> Record:
    """Return the record with the checksum of its content, by which damage to its file is detected."""
    return record.model_copy(update={"sha256": _digest(json.loads(record.model_dump_json()))})


def _digest(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a record's JSON without ``sha256``, keys sorted and without white space."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _available_path(usual: Path, alternative: Path, content: bytes) -> Path:
    """Return the usual name; the other one if a file with different content, to which a record may refer, has it."""
    return usual if not usual.exists() or has_content(usual, content) else alternative


def _picture_folder(path: Path, pictures: Mapping[str, bytes]) -> Path:
    """Return a folder beside the record that contains no pictures of another record."""
    usual = path.with_name(f"{path.stem}-pictures")
    if all(_available_path(usual / name, usual, content) != usual for name, content in pictures.items()):
        return usual
    digest = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in pictures.values()))
    return usual.with_name(f"{usual.name}-{digest.hexdigest()[:8]}")


def _outcome_file(path: Path) -> str:
    """Return the outcome file to which the record on disk refers; empty if there is no readable record."""
    try:
        outcomes = read_record(path).outcomes
    except GoldievalError:
        return ""
    return outcomes.file if outcomes else ""


def _remove_superseded(path: Path, before: str, now: str) -> None:
    """Remove old outcome files of a record; recent ones stay for processes that have just read the record."""
    pattern = re.compile(re.escape(path.stem) + r"(-[0-9a-f]{8})?\.parquet")
    for file in path.parent.iterdir():
        if not pattern.fullmatch(file.name) or file.name == now:
            continue
        if file.name == before:
            os.utime(file)
        elif time.time() - file.stat().st_mtime > LEFTOVER_S:
            file.unlink(missing_ok=True)


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
        if record.sha256 and record.sha256 != _digest(content):
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
    """Return the record files in a folder (or the one file), sorted.

    Raises:
        GoldievalError: the place does not exist.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise GoldievalError(f"no results in {place}: no such file or folder.")
    return sorted(file for file in place.rglob("*@*-*.json") if file.is_file() and not file.name.startswith("."))


def _parquet(outcomes: dict[str, np.ndarray]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(list(column)) for name, column in outcomes.items()}), buffer)
    return buffer.getvalue()

"""Writing of records: outcomes and pictures first, the record that refers to them last.

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

import numpy as np

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write_all, has_content
from goldieval.core.locks import lock_folder
from goldieval.core.temporary import LEFTOVER_S
from goldieval.records.arrow import arrow_array
from goldieval.records.files import read_record, record_digest, record_path
from goldieval.records.parts import Outcomes
from goldieval.records.schema import Record

HASH = "[0-9a-f]{8}"


def write_record(
    out: Path,
    record: Record,
    outcomes: dict[str, np.ndarray] | None,
    pictures: Mapping[str, bytes] = MappingProxyType({}),
    requested_setting: str = "",
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> Path:
    """Write outcomes, pictures, other files, and last the record that refers to them; return the path of the record.

    A success removes an earlier failure of the same setting, and one of ``requested_setting``, which can differ where
    a limit turns out to leave nothing out.

    Args:
        out: folder for records.
        record: the record.
        outcomes: columns of the Parquet file by name; None for a failure.
        pictures: PNG files by name.
        requested_setting: key of the requested setting; empty if it is that of the record.
        beside: contents of other files by the end of their name, such as ``answers.json``.

    Raises:
        GoldievalError: the folder cannot be written or the disk is full; an existing record is left unchanged.
    """
    path = record_path(out, record)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock_folder(path.parent):
            try:
                _write_beside(path, record, outcomes, pictures, beside)
            except FileExistsError:  # where locks do not work, another process may have taken the names meanwhile
                _write_beside(path, record, outcomes, pictures, beside)
    except OSError as error:
        raise GoldievalError(
            f"cannot write {path}: {error.strerror or error}. Free disk space, or choose another folder with --out."
        ) from error
    for setting in (record.setting, requested_setting or record.setting) if record.status != "failed" else ():
        with suppress(OSError):
            record_path(out, record.model_copy(update={"status": "failed", "setting": setting})).unlink(missing_ok=True)
    return path


def _write_beside(
    path: Path,
    record: Record,
    outcomes: dict[str, np.ndarray] | None,
    pictures: Mapping[str, bytes],
    beside: Mapping[str, bytes],
) -> None:
    files: dict[Path, bytes] = {}
    usual, usual_folder = path.with_suffix(".parquet"), _usual_picture_folder(path)
    if outcomes is not None:
        table = _parquet(outcomes)
        sha256 = hashlib.sha256(table).hexdigest()
        file = _available_path(usual, path.with_name(f"{path.stem}-{sha256[:8]}.parquet"), table)
        part = Outcomes(file=file.name, sha256=sha256, rows=len(next(iter(outcomes.values()))))
        record = record.model_copy(update={"outcomes": part})
        files[file] = table
    if pictures:
        folder = _picture_folder(path, pictures)
        folder.mkdir(exist_ok=True)
        record = record.model_copy(update={"pictures": [f"{folder.name}/{name}" for name in pictures]})
        files |= {folder / name: content for name, content in pictures.items()}
    others = {_other_file(path, name, content): content for name, content in beside.items()}
    if others:
        record = record.model_copy(update={"files": [file.name for file in others]})
        files |= others
    files[path] = (sealed(record).model_dump_json(indent=1) + "\n").encode()
    before = _files_of(path)
    shared = [file for file in files if file == usual or file.parent == usual_folder or file in others]
    atomic_write_all(files, shared)
    with suppress(OSError):
        _remove_superseded(path, before, _files_of(path))


def sealed(record: Record) -> Record:
    """Return the record with the checksum of its content, by which damage to its file is detected."""
    return record.model_copy(update={"sha256": record_digest(json.loads(record.model_dump_json()))})


def _available_path(usual: Path, alternative: Path, content: bytes) -> Path:
    """Return the usual name; the other one if a file with different content, to which a record may refer, has it."""
    return usual if not usual.exists() or has_content(usual, content) else alternative


def _other_file(path: Path, name: str, content: bytes) -> Path:
    """Return the file beside a record for some content, ``<record>-<name>``; with a hash if that name is taken."""
    digest = hashlib.sha256(content).hexdigest()[:8]
    usual, other = (path.with_name(f"{_plain_stem(path)}-{middle}{name}") for middle in ("", f"{digest}-"))
    return _available_path(usual, other, content)


def _plain_stem(path: Path) -> str:
    """Return the name of a record without ``@``, by which readers tell records from other files that end in .json."""
    return path.stem.replace("@", "-")


def _usual_picture_folder(path: Path) -> Path:
    return path.with_name(f"{path.stem}-pictures")


def _picture_folder(path: Path, pictures: Mapping[str, bytes]) -> Path:
    """Return a folder beside the record that contains no pictures of another record."""
    usual = _usual_picture_folder(path)
    if all(_available_path(usual / name, usual, content) != usual for name, content in pictures.items()):
        return usual
    digest = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in pictures.values()))
    return usual.with_name(f"{usual.name}-{digest.hexdigest()[:8]}")


def _files_of(path: Path) -> set[str]:
    """Return the names of the outcome and other files to which the record on disk refers; none if it is unreadable."""
    try:
        record = read_record(path)
    except GoldievalError:
        return set()
    return {*record.files, *([record.outcomes.file] if record.outcomes else [])}


def _remove_superseded(path: Path, before: set[str], now: set[str]) -> None:
    """Remove old files of a record; recent ones stay for processes that have just read the record."""
    stem, plain = re.escape(path.stem), re.escape(_plain_stem(path))
    ends = [found[2] for name in before | now if (found := re.fullmatch(rf"{plain}-({HASH}-)?(.+)", name))]
    others = "".join(rf"|{plain}-({HASH}-)?{re.escape(end)}" for end in ends)
    pattern = re.compile(rf"{stem}(-{HASH})?\.parquet{others}")
    for file in path.parent.iterdir():
        if not pattern.fullmatch(file.name) or file.name in now or not file.is_file():
            continue
        if file.name in before:
            os.utime(file)
        elif time.time() - file.stat().st_mtime > LEFTOVER_S:
            file.unlink(missing_ok=True)


def _parquet(outcomes: dict[str, np.ndarray]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table({name: arrow_array(column) for name, column in outcomes.items()}), buffer)
    return buffer.getvalue()

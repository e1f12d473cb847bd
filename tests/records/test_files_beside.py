"""Files beside a record: complete or absent, never taken for records, and removed once nothing refers to them."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import numpy as np
import pytest
from synthetic_records import made
from test_durable_records import KilledError, killed_at

from goldieval.core import temporary
from goldieval.records.files import find_records, read_record
from goldieval.records.writing import write_record


def written(out: Path, value: float, content: bytes | None) -> Path:
    beside = {} if content is None else {"answers.json": content}
    record = made("shapes-retrieval", value=value)
    return write_record(out, record, {"rank": np.full(3, value)}, beside=beside)


def contents(path: Path) -> list[bytes]:
    return [(path.parent / name).read_bytes() for name in read_record(path).files]


def test_a_file_is_named_by_its_record_and_is_no_record(tmp_path: Path) -> None:
    path = written(tmp_path, 0.5, b"[]\n")
    (name,) = read_record(path).files
    assert name == f"{path.stem.replace('@', '-')}-answers.json" and contents(path) == [b"[]\n"]
    assert find_records(tmp_path) == [path]
    assert written(tmp_path, 0.5, b"[]\n") == path and len(list(path.parent.glob("*answers.json"))) == 1
    assert read_record(written(tmp_path, 0.5, None)).files == []


def test_a_kill_leaves_a_record_with_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for number in range(1, 60):
        path = written(tmp_path / str(number), 0.25, b"old")
        with monkeypatch.context() as patch:
            calls = killed_at(number, patch, ("fsync", "replace", "unlink"))
            with contextlib.suppress(KilledError):
                written(tmp_path / str(number), 0.75, b"new")
        headline = read_record(path).headline
        assert headline is not None
        seen.add((headline.value, *contents(path)))
        if len(calls) < number:
            break
    assert number > 4 and seen == {(0.25, b"old"), (0.75, b"new")}


def test_files_that_no_record_names_for_long_are_removed(tmp_path: Path) -> None:
    path = written(tmp_path, 0.25, b"old")
    other = path.with_name(f"{path.stem.replace('@', '-')}-notes.json")
    other.write_bytes(b"somebody's own")
    written(tmp_path, 0.75, b"new")
    files = sorted(path.parent.glob("*answers.json"))
    assert len(files) == 2  # somebody may have read the old record just now
    long_ago = time.time() - 2 * temporary.LEFTOVER_S
    for file in [*files, other]:
        os.utime(file, (long_ago, long_ago))
    written(tmp_path, 0.75, b"new")
    assert [file.read_bytes() for file in path.parent.glob("*answers.json")] == [b"new"]
    assert contents(path) == [b"new"] and other.exists()

"""Records that are killed while they are written, written by two at once, and what a killed writer leaves."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from synthetic_records import made

from goldieval.core import locks, temporary
from goldieval.core.files import atomic_write, atomic_write_all
from goldieval.core.locks import lock_file
from goldieval.core.temporary import SUFFIX, sweep, temporary_file, temporary_folder
from goldieval.records.files import read_outcomes, read_record, sweep_results
from goldieval.records.writing import write_record

OLD, NEW = ({"rank": np.full(3, value)} for value in (1, 2))
PICTURES = {"a.png": b"one", "b.png": b"two"}


def record(value: float) -> Any:
    return made("shapes-retrieval", value=value)


def written(out: Path, outcomes: dict[str, np.ndarray], value: float, pictures: dict[str, bytes] = PICTURES) -> Path:
    return write_record(out, record(value), outcomes, pictures)


def state(path: Path) -> tuple[float, int]:
    """Return the headline and the outcomes that a reader meets."""
    found = read_record(path)
    assert found.headline is not None and all((path.parent / name).is_file() for name in found.pictures)
    return found.headline.value, int(read_outcomes(path, found)["rank"][0])


class KilledError(BaseException):
    """Nothing in the code handles it, as nothing handles a kill."""


def killed_at(number: int, patch: pytest.MonkeyPatch, names: tuple[str, ...]) -> list[str]:
    """Let the process die at a call of the system; nothing is tidied up after it."""
    calls: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == number or (len(calls) > number and name in ("replace", "unlink", "rmdir")):
                raise KilledError
            return real(*arguments, **options)

        return call

    for name in names:
        patch.setattr(os, name, counted(name, getattr(os, name)))
    return calls


@pytest.mark.parametrize("pictures", [{}, PICTURES])
def test_a_kill_at_any_point_leaves_the_old_record_or_the_new_one(
    pictures: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[float, int]] = set()
    for number in range(1, 60):
        out = tmp_path / str(number)
        path = written(out, OLD, 0.25, dict.fromkeys(pictures, b"old"))
        with monkeypatch.context() as patch:
            calls = killed_at(number, patch, ("fsync", "replace", "unlink"))
            with contextlib.suppress(KilledError):
                written(out, NEW, 0.75, pictures)
        seen.add(state(path))
        if len(calls) < number:
            break
    assert number > 4 and seen == {(0.25, 1), (0.75, 2)}


def test_a_writer_that_fails_leaves_what_another_has_finished_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both began when there was nothing; the second fails at its last rename."""
    real, path = os.replace, tmp_path / "a.json"

    def slow(source: Path, target: Path) -> None:
        if Path(target) == path:
            monkeypatch.setattr(os, "replace", real)
            atomic_write_all({tmp_path / "a.parquet": b"theirs", path: b"their record"})
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", slow)
    with pytest.raises(OSError, match="No space"):
        atomic_write_all({tmp_path / "a.parquet": b"ours", path: b"our record"})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "a.parquet": b"theirs",
        "a.json": b"their record",
    }


def test_two_writers_and_a_reader_at_once(tmp_path: Path) -> None:
    path, seen = written(tmp_path, OLD, 0.25), set()

    def write(outcomes: dict[str, np.ndarray], value: float) -> None:
        for _ in range(25):
            written(tmp_path, outcomes, value, {"a.png": str(value).encode()})

    writers = [threading.Thread(target=write, args=each) for each in ((OLD, 0.25), (NEW, 0.75))]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen.add(state(path))
    assert seen <= {(0.25, 1), (0.75, 2)} and state(path) in seen | {(0.25, 1), (0.75, 2)}


def test_outcomes_that_no_record_names_for_long_are_removed(tmp_path: Path) -> None:
    path = written(tmp_path, OLD, 0.25)
    written(tmp_path, NEW, 0.75)
    tables = sorted(path.parent.glob("*.parquet"))
    assert len(tables) == 2  # somebody may have read the old record just now
    long_ago = time.time() - 2 * temporary.LEFTOVER_S
    for table in tables:
        os.utime(table, (long_ago, long_ago))
    written(tmp_path, NEW, 0.75)
    assert len(list(path.parent.glob("*.parquet"))) == 1 and state(path) == (0.75, 2)


@pytest.fixture
def leftovers(tmp_path: Path) -> list[Path]:
    """What killed writers left in a results folder: files whose makers hold them no more."""
    folder = written(tmp_path, OLD, 0.25).parent
    places = [tmp_path, folder, next(folder.glob("*-pictures"))]
    files = [place / f".some.json.abcd1234{SUFFIX}" for place in places]
    for file in files:
        file.write_bytes(b"half")
    return files


def test_what_killed_writers_left_goes_and_what_living_ones_write_stays(leftovers: list[Path], tmp_path: Path) -> None:
    with temporary_file(tmp_path / "new.json") as (_, alive), temporary_folder(tmp_path, "step") as folder:
        sweep_results(tmp_path)
        assert alive.exists() and folder.exists()
    assert not [file for file in [*leftovers, alive, folder] if file.exists()]


def test_the_next_write_into_a_folder_tidies_it(tmp_path: Path) -> None:
    """As for a table or a page beside files of the user's own, which stay."""
    for name in (f".table.html.x{SUFFIX}", ".mine", "table.html.tmp"):
        (tmp_path / name).touch()
    atomic_write(tmp_path / "table.html", b"whole")
    assert {file.name for file in tmp_path.iterdir()} == {".mine", "table.html.tmp", "table.html"}


def test_without_locks_only_what_is_old_is_removed(
    leftovers: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "try_lock", lambda handle: None)
    long_ago = time.time() - 2 * temporary.LEFTOVER_S
    os.utime(leftovers[0], (long_ago, long_ago))
    sweep_results(tmp_path)
    assert [file.exists() for file in leftovers] == [False, True, True]


def test_a_temporary_file_that_was_tidied_up_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = []

    def tidied(handle: int) -> None:
        if not waited:
            sweep(tmp_path)
        waited.append(handle)

    monkeypatch.setattr(temporary, "wait_for_lock", tidied)
    atomic_write(tmp_path / "a", b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole" and len(waited) == 2


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_never_waits(error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where filelock takes the error for a holder."""
    if locks.fcntl is None:
        pytest.skip("no flock on this system")

    def refuse(*_: Any) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    monkeypatch.setattr(FileLock, "_acquire", lambda lock: None)
    with lock_file(tmp_path / "a.lock") as ours:
        assert ours


def test_a_lock_that_another_holds_is_not_ours(tmp_path: Path) -> None:
    with FileLock(tmp_path / "a.lock"), lock_file(tmp_path / "a.lock", wait_s=0) as ours:
        assert not ours
    with lock_file(tmp_path / "a.lock", wait_s=0) as ours:
        assert ours

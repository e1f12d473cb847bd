"""Locks on file systems that refuse them, do not answer, or grant the same one twice."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from goldieval.core import locks, patience, temporary
from goldieval.core.files import atomic_write, atomic_write_all, exclusive_lock
from goldieval.core.locks import lock_file, lock_folder, try_lock
from goldieval.core.reading import read_bytes
from goldieval.core.temporary import SUFFIX, sweep, temporary_file

pytest.importorskip("fcntl")


@pytest.fixture
def flock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[..., Any]], None]]:
    """Replace the lock function of the system; forget afterwards which file systems did not answer."""
    yield lambda function: monkeypatch.setattr(locks.fcntl, "flock", function)
    locks._unanswered.clear()


def refusing(error: int) -> Callable[..., None]:
    def refuse(*_: Any) -> None:
        raise OSError(error, os.strerror(error))

    return refuse


@pytest.mark.parametrize("name", ["ENOSYS", "ENOLCK", "EOPNOTSUPP", "EINVAL", "EBADF", "EIO", "ESTALE", "ENOTCONN"])
def test_whatever_refuses_a_lock_is_not_waited_for(name: str, flock: Any, tmp_path: Path) -> None:
    flock(refusing(getattr(errno, name)))
    start = time.monotonic()
    with lock_file(tmp_path / "a.lock") as ours, lock_folder(tmp_path), exclusive_lock(tmp_path / "b"):
        assert ours
        atomic_write(tmp_path / "a", b"whole")
    assert time.monotonic() - start < 10 and (tmp_path / "a").read_bytes() == b"whole"


@pytest.mark.parametrize("name", ["EAGAIN", "EACCES"])
def test_a_lock_that_is_held_is_no_lock_that_is_refused(name: str, flock: Any, tmp_path: Path) -> None:
    flock(refusing(getattr(errno, name)))
    with lock_file(tmp_path / "a.lock", wait_s=0.05) as ours:
        assert not ours


def test_locks_that_never_answer_are_given_up_once_with_a_line(
    flock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As those of a server for NFS whose lock daemon is gone."""
    asked, end = [], threading.Event()

    def hang(*arguments: Any) -> None:
        asked.append(arguments)
        end.wait(600)

    flock(hang)
    monkeypatch.setattr(locks, "ANSWER_S", 0.2)
    with caplog.at_level(logging.WARNING, "goldieval"):
        for _ in range(3):
            with lock_file(tmp_path / "a.lock") as ours:
                assert ours
            atomic_write(tmp_path / "a", b"whole")
    end.set()
    assert len(asked) == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert str(tmp_path / "a.lock") in line and "did not answer for 0.2 s" in line


def test_a_long_wait_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "SILENT_S", 0.0)
    with lock_file(tmp_path / "a.lock") as first, caplog.at_level(logging.WARNING, "goldieval"):
        with lock_file(tmp_path / "a.lock", wait_s=0.3) as second:
            assert first and not second
        descriptor = os.open(tmp_path, os.O_RDONLY)
        assert try_lock(descriptor)
        with lock_folder(tmp_path, wait_s=0.3):
            os.close(descriptor)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2 and all("for up to 0.3 s" in line for line in lines)
    assert str(tmp_path / "a.lock") in lines[0] and "is writing to" in lines[1]


def test_a_lock_file_that_was_removed_is_not_a_lock(flock: Any, tmp_path: Path) -> None:
    """Lock files of chunks that are stored are removed; two holders of different files would not know of each other."""
    lock, real, removed = tmp_path / "a.lock", locks.fcntl.flock, []

    def removed_before(*arguments: Any) -> None:
        if not removed:
            removed.append(lock.unlink())
        real(*arguments)

    flock(removed_before)
    with lock_file(lock) as first, lock_file(lock, wait_s=0) as second:
        assert removed and first and not second


def test_without_working_locks_temporary_files_of_other_machines_stay(
    flock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system may grant everybody every lock; then only their age tells that files were left behind."""
    flock(lambda *_: None)
    with temporary_file(tmp_path / "mine@1-0a1b2c3d.json") as (_, file):
        sweep(tmp_path)
        assert not file.exists()  # of this machine, which is known to have working locks or a dead writer
    with temporary_file(tmp_path / "mine@1-0a1b2c3d.json") as (_, file):
        monkeypatch.setattr(temporary, "_machine", lambda: "0" * 8)
        sweep(tmp_path)
        assert file.exists()
        long_ago = time.time() - 2 * temporary.LEFTOVER_S
        os.utime(file, (long_ago, long_ago))
        sweep(tmp_path)
        assert not file.exists()


def test_a_rename_whose_answer_was_lost_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client repeats the request, and is told that there is no such file, or that it exists already."""
    real = {"replace": os.replace, "link": os.link}

    def twice(name: str) -> Callable[..., None]:
        def call(source: Any, target: Any) -> None:
            real[name](source, target)
            real[name](source, target)

        return call

    for name in real:
        monkeypatch.setattr(os, name, twice(name))
    atomic_write_all({tmp_path / "a": b"one", tmp_path / "b": b"two"}, [tmp_path / "a"])
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a": b"one", "b": b"two"}


def test_a_rename_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Any, target: Any) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(source))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "a", b"one")
    assert list(tmp_path.iterdir()) == []


def test_what_must_not_be_replaced_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    atomic_write_all({first: b"one", second: b"two"}, [first])
    with pytest.raises(FileExistsError):
        atomic_write_all({second: b"other", first: b"other"}, [first])
    atomic_write_all({first: b"one", second: b"new"}, [first])
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"new")
    monkeypatch.setattr(os, "link", refusing(errno.EPERM))  # a file system without links
    atomic_write_all({tmp_path / "c": b"one"}, [tmp_path / "c"])
    assert (tmp_path / "c").read_bytes() == b"one"


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EIO"])
def test_a_disk_that_fails_leaves_the_old_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_write(tmp_path / "a", b"old")
    with monkeypatch.context() as patch, pytest.raises(OSError, match=os.strerror(getattr(errno, name))):
        patch.setattr(os, "fsync", refusing(getattr(errno, name)))
        atomic_write(tmp_path / "a", b"new")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]
    assert not [file for file in tmp_path.iterdir() if file.name.endswith(SUFFIX)]


def test_a_file_that_another_machine_replaced_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_write(tmp_path / "a", b"new")
    real, stale = os.fstat, []

    def fstat(descriptor: int) -> os.stat_result:
        if not stale:
            stale.append(descriptor)
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", fstat)
        content = read_bytes(tmp_path / "a", 10)
    assert content == b"new" and stale
    with monkeypatch.context() as patch, pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
        patch.setattr(os, "fstat", refusing(errno.ESTALE))
        read_bytes(tmp_path / "a", 10)

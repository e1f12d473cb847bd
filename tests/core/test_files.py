"""Files that several processes create concurrently, and what is never replaced by a file."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from goldieval.core.files import atomic_write, exclusive_lock


def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    file, done = tmp_path / "new" / "a.bin", []

    def second() -> None:
        with exclusive_lock(file):
            done.append(1)

    with exclusive_lock(file):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        assert done == []
    thread.join(600)
    assert done == [1]


def test_a_file_system_without_locks_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(FileLock, "_acquire", refuse)
    with exclusive_lock(tmp_path / "a.bin"):
        pass
    with pytest.raises(OSError, match="of the caller"), exclusive_lock(tmp_path / "a.bin"):
        raise OSError("of the caller")


def test_pipes_and_streams_are_not_replaced(tmp_path: Path) -> None:
    pipe, link, stream = tmp_path / "pipe", tmp_path / "link", tmp_path / "stdout"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    stream.symlink_to("/proc/self/fd/1")
    for place in (pipe, link, stream):
        with pytest.raises(OSError, match="not a regular file"):
            atomic_write(place, b"content")
    assert stat.S_ISFIFO(pipe.stat().st_mode) and link.is_symlink() and stream.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe", "stdout"]

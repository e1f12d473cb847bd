"""Locks between processes, and what happens where the file system knows none."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

try:
    import fcntl
except ImportError:  # not on Windows, where filelock has its own way
    fcntl = None  # type: ignore[assignment]

FOREVER = -1.0
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


@contextmanager
def lock_file(lock: Path, wait_s: float = FOREVER) -> Iterator[bool]:
    """Hold a lock file; yield False if another process still holds it after ``wait_s`` seconds.

    Yields True as well where no lock can be had: a file system without locks, a folder that is read-only, a lock file
    of another user. Whoever calls must then stay right, if slower, without it. A lock is freed when its holder dies.
    """
    own = FileLock(lock)
    try:
        ours = _acquired(own, lock, wait_s)
    except (OSError, NotImplementedError):
        ours = True
    try:
        yield ours
    finally:
        own.release()


def _acquired(own: FileLock, lock: Path, wait_s: float) -> bool:
    with suppress(Timeout):
        own.acquire(timeout=0)
        return True
    if not _lockable(lock):  # filelock takes most errors for a holder
        return True
    with suppress(Timeout):
        own.acquire(timeout=wait_s)
        return True
    return False


def _lockable(lock: Path) -> bool:
    """Whether the file system can lock this file, whoever holds it now."""
    if fcntl is None:
        return True
    with lock.open("ab") as stream:
        return try_lock(stream.fileno()) is not None


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed: True if it is ours, False if another's, None without locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return None if error.errno in NO_LOCKS or error.errno == errno.EBADF else False
    return True


def wait_for_lock(descriptor: int) -> None:
    """Lock an open file or folder as soon as its holder lets go; without locks nothing is waited for."""
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def lock_folder(folder: Path, wait_s: float = 60.0) -> Iterator[None]:
    """Hold a folder itself, which leaves no lock file; after ``wait_s`` seconds, or without locks, go on regardless."""
    try:
        handle = open_for_lock(folder)
    except OSError:  # a system that opens no folders
        yield
        return
    try:
        end = time.monotonic() + wait_s
        while try_lock(handle) is False and time.monotonic() < end:
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def open_for_lock(path: Path) -> int:
    """Open a file or folder as something to lock; raises OSError."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))

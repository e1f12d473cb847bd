"""Locks between processes, with a fallback for file systems that do not support them."""

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
except ImportError:  # Windows, where filelock uses another mechanism
    fcntl = None  # type: ignore[assignment]

FOREVER = -1.0
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


@contextmanager
def lock_file(lock: Path, wait_s: float = FOREVER) -> Iterator[bool]:
    """Hold a lock file; yield False if another process still holds it after ``wait_s`` seconds.

    Also yields True if locking is impossible: on a file system without locks, in a read-only folder, or for a lock file
    of another user. The caller must remain correct, if slower, without the lock. A lock is released when its holder
    exits.
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
    if not _lockable(lock):  # filelock treats most errors as a lock held by another process
        return True
    with suppress(Timeout):
        own.acquire(timeout=wait_s)
        return True
    return False


def _lockable(lock: Path) -> bool:
    """Return whether the file system can lock this file, even if another process holds the lock now."""
    if fcntl is None:
        return True
    with lock.open("ab") as stream:
        return try_lock(stream.fileno()) is not None


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed: True if acquired, False if held, None if not supported."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return None if error.errno in NO_LOCKS or error.errno == errno.EBADF else False
    return True


def wait_for_lock(descriptor: int) -> None:
    """Wait for the lock of an open file or folder; return at once if locks are not supported."""
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def lock_folder(folder: Path, wait_s: float = 60.0) -> Iterator[None]:
    """Lock a folder itself, which leaves no lock file; continue after ``wait_s`` seconds, or without lock support."""
    try:
        handle = open_for_lock(folder)
    except OSError:  # the system cannot open folders
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
    """Open a file or folder in order to lock it. Raises OSError if that fails."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))

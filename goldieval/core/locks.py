"""Locks between processes that survive file systems which refuse, ignore or never answer them.

A lock only saves work: whoever uses one must remain correct without it, because a network file system may have no
locks, may grant the same one on two machines, or may keep that of a machine that is gone.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from goldieval.core.patience import Patience

try:
    import fcntl
except ImportError:  # Windows, where filelock uses another mechanism
    fcntl = None  # type: ignore[assignment]

LOG = logging.getLogger("goldieval")
FOREVER = -1.0
ANSWER_S = 20.0  # seconds in which a file system must answer a request for a lock, also if it refuses
OWN_FILE_S = 5.0  # a new file is held by nobody else, except for a moment by one who looks for abandoned files
HELD = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}
_unanswered: set[int] = set()  # devices whose locks did not answer


@contextmanager
def lock_file(lock: Path, wait_s: float = FOREVER) -> Iterator[bool]:
    """Hold a lock file; yield False if another process still holds it after ``wait_s`` seconds.

    Also yields True if locking is impossible: on a file system without locks, in a read-only folder, or for a lock file
    of another user. The caller must remain correct, if slower, without the lock. A lock is released when its holder
    exits. A long wait is logged once, with the name of the file.
    """
    if fcntl is None:
        with _filelock(lock, wait_s) as ours:
            yield ours
        return
    handle, ours = _acquire(lock, Patience(wait_s, f"waiting for {lock}, which another process holds"))
    try:
        yield ours
    finally:
        if handle is not None:
            os.close(handle)


def _acquire(lock: Path, patience: Patience) -> tuple[int | None, bool]:
    """Return the open lock file, None if it cannot be opened, and whether the caller may go on."""
    while True:
        try:
            handle = _open_lock_file(lock)
        except OSError:
            return None, True
        answer = try_lock(handle)
        if answer is None or (answer and _is_still(lock, handle)):
            return handle, True
        os.close(handle)
        if not answer and not patience.wait():
            return None, False


def _open_lock_file(lock: Path) -> int:
    flags = os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(lock, flags | os.O_RDWR, 0o666)
    except PermissionError:  # of another user
        return os.open(lock, flags & ~os.O_CREAT | os.O_RDONLY)


def _is_still(path: Path, handle: int) -> bool:
    """Return whether an open file has not been removed, or replaced by another of its name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False
    except OSError:  # the file system does not answer; then the lock is worth as much as none
        return True


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed: True if acquired, False if held, None if there are no locks.

    Any error other than that of a held lock means None, and so does a file system that does not answer within
    ``ANSWER_S`` seconds, which is logged and not asked again.
    """
    if fcntl is None:
        return None
    with suppress(OSError):
        device = os.fstat(descriptor).st_dev
        return None if device in _unanswered else _answer(descriptor, device)
    return None


def _answer(descriptor: int, device: int) -> bool | None:
    answers: list[bool | None] = []
    # In a thread of its own, which is abandoned where the server of a network file system does not answer.
    asking = threading.Thread(target=lambda: answers.append(_flock(descriptor)), daemon=True, name="goldieval-lock")
    asking.start()
    asking.join(ANSWER_S)
    if answers:
        return answers[0]
    _unanswered.add(device)
    LOG.warning(
        "%s: locks of this file system did not answer for %g s; it is used without them",
        _name_of(descriptor),
        ANSWER_S,
    )
    return None


def _flock(descriptor: int) -> bool | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in HELD else None
    except Exception:  # a replacement of flock that has none
        return None
    return True


def _name_of(descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return "a lock"


def wait_for_lock(descriptor: int) -> None:
    """Lock a file or folder that this process has just created, if the file system has locks."""
    patience = Patience(OWN_FILE_S)
    while try_lock(descriptor) is False and patience.wait():
        pass


@contextmanager
def lock_folder(folder: Path, wait_s: float = 60.0) -> Iterator[None]:
    """Lock a folder itself, which leaves no lock file; continue after ``wait_s`` seconds, or without lock support."""
    try:
        handle = open_for_lock(folder)
    except OSError:  # the system cannot open folders
        yield
        return
    try:
        patience = Patience(wait_s, f"waiting for {folder}, which another process is writing to")
        while try_lock(handle) is False and patience.wait():
            pass
        yield
    finally:
        os.close(handle)


def open_for_lock(path: Path) -> int:
    """Open a file or folder in order to lock it. Raises OSError if that fails."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def _filelock(lock: Path, wait_s: float) -> Iterator[bool]:
    """Hold a lock file where there is no ``fcntl``."""
    from filelock import FileLock, Timeout

    own = FileLock(lock)
    try:
        own.acquire(timeout=wait_s)
        ours = True
    except Timeout:
        ours = False
    except (OSError, NotImplementedError):
        ours = True
    try:
        yield ours
    finally:
        own.release()

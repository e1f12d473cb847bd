"""One fetch of a source at a time, on this machine and by whoever shares the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from goldieval.errors import GoldievalError


@contextmanager
def held(folder: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Hold a data folder's lock, waiting for another fetch to end. The kernel drops the lock of one that was killed.

    Raises:
        GoldievalError: the data root cannot be written.
    """
    lock = FileLock(beside(folder, "lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            note(f"another goldieval is fetching {folder.name}; waiting for it")
            lock.acquire()
    except OSError as error:
        raise GoldievalError(
            f"cannot write to {folder.parent}: {error.strerror or error}. Name another --data-dir."
        ) from error
    try:
        yield
    finally:
        lock.release()


def beside(folder: Path, what: str) -> Path:
    """Return a hidden path next to a data folder, on the same disk, so that renames are whole."""
    return folder.with_name(f".{folder.name}.{what}")

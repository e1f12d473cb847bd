"""One fetch of a source at a time, on this machine and by whoever shares the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from goldieval.core.locks import held as locked
from goldieval.errors import GoldievalError
from goldieval.files import check_writable


@contextmanager
def held(folder: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Hold a data folder's lock, waiting for another fetch to end. The kernel drops the lock of one that was killed.

    Raises:
        GoldievalError: the data root cannot be written.
    """
    try:
        check_writable(folder.parent)
    except OSError as error:
        raise GoldievalError(
            f"cannot write to {folder.parent}: {error.strerror or error}. Name another --data-dir."
        ) from error
    with ExitStack() as stack:
        if not stack.enter_context(locked(beside(folder, "lock"), wait_s=0)):
            note(f"another goldieval is fetching {folder.name}; waiting for it")
            stack.enter_context(locked(beside(folder, "lock")))
        yield


def beside(folder: Path, what: str) -> Path:
    """Return a hidden path next to a data folder, on the same disk, so that renames are whole."""
    return folder.with_name(f".{folder.name}.{what}")

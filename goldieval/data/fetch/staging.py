"""One fetch of a source at a time, on this machine and by whoever shares the folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.core.files import check_writable
from goldieval.core.ledger import cache_root
from goldieval.core.locks import lock_file
from goldieval.core.temporary import sweep


@contextmanager
def lock_for_fetch(folder: Path, note: Callable[[str], None]) -> Iterator[None]:
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
        if not stack.enter_context(lock_file(hidden_sibling(folder, "lock"), wait_s=0)):
            note(f"another goldieval is fetching {folder.name}; waiting for it")
            stack.enter_context(lock_file(hidden_sibling(folder, "lock")))
        yield


def staging(folder: Path) -> Path:
    """Return where a fetch collects its files. It is there as long as the last fetch has not ended well."""
    return hidden_sibling(folder, "fetching")


@contextmanager
def moving_files(folder: Path) -> Iterator[None]:
    """Leave a mark for as long as files move into a data folder: it stays where that is cut, until a fetch ends."""
    mark = _mark(folder)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    yield
    mark.unlink(missing_ok=True)


def is_incomplete(folder: Path) -> bool:
    """Whether a data folder may hold a part of what was fetched: its files are moving in, or that was cut."""
    return _mark(folder).exists()


def remove_leftovers(folder: Path) -> None:
    """Remove what fetches of a data folder have left. Whoever calls holds the folder's lock, and it is whole."""
    shutil.rmtree(staging(folder), ignore_errors=True)
    sweep(folder, cache_root())


def _mark(folder: Path) -> Path:
    return staging(folder) / "moving"


def hidden_sibling(folder: Path, what: str) -> Path:
    """Return a hidden path next to a data folder, on the same disk, so that renames are whole."""
    return folder.with_name(f".{folder.name}.{what}")

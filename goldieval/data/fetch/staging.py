"""Mutual exclusion of downloads, on this machine and between users of a shared folder, and their staging area."""

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
    """Hold a data folder's lock, waiting for another download to end. The lock of a killed process is released.

    Raises:
        GoldievalError: The data root cannot be written.
    """
    try:
        check_writable(folder.parent)
    except OSError as error:
        raise GoldievalError(
            f"cannot write to {folder.parent}: {error.strerror or error}. Choose another --data-dir."
        ) from error
    with ExitStack() as stack:
        if not stack.enter_context(lock_file(hidden_sibling(folder, "lock"), wait_s=0)):
            note(f"another goldieval is fetching {folder.name}; waiting for it")
            stack.enter_context(lock_file(hidden_sibling(folder, "lock")))
        yield


def staging(folder: Path) -> Path:
    """Return the staging folder of a download. It exists until a download has completed successfully."""
    return hidden_sibling(folder, "fetching")


@contextmanager
def moving_files(folder: Path) -> Iterator[None]:
    """Mark the data folder as incomplete while files are moved into it; the mark remains after an interruption."""
    mark = _mark(folder)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    yield
    mark.unlink(missing_ok=True)


def is_incomplete(folder: Path) -> bool:
    """Return whether a data folder may be incomplete because its files are being moved, or that was interrupted."""
    return _mark(folder).exists()


def remove_leftovers(folder: Path) -> None:
    """Remove the remains of downloads. The caller holds the folder's lock, and the folder is complete."""
    shutil.rmtree(staging(folder), ignore_errors=True)
    sweep(folder, cache_root())


def _mark(folder: Path) -> Path:
    return staging(folder) / "moving"


def hidden_sibling(folder: Path, what: str) -> Path:
    """Return a hidden path beside a data folder, on the same disk, so that renames are atomic."""
    return folder.with_name(f".{folder.name}.{what}")

"""The store of embeddings: one folder per tower identity, with a size limit."""

from __future__ import annotations

import hashlib
import math
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.core.files import check_writable
from goldieval.core.temporary import sweep, temporary_folder
from goldieval.data.roots import store_root
from goldieval.engine.space import PERMISSION_ERRORS, Space

DEFAULT_LIMIT_GB = 20.0


class Store:
    """The folder of all spaces.

    Attributes:
        root: the folder.
        limit_gb: size in gigabytes that ``trim`` keeps; may be infinite.
    """

    def __init__(self, root: Path, limit_gb: float = DEFAULT_LIMIT_GB) -> None:
        self.root, self.limit_gb = root, limit_gb

    def space(self, identity: str) -> Space:
        """Open the space of one tower identity; a read-only store serves the embeddings that it has.

        Raises:
            GoldievalError: the folder of the store cannot be created or written.
        """
        space = Space(self.root / _folder_name(identity))
        try:
            check_writable(space.folder)
            sweep(space.folder)
        except OSError as error:
            if error.errno not in PERMISSION_ERRORS or not self.root.is_dir():
                raise GoldievalError(
                    f"cannot write to the embedding store {self.root}: {error.strerror or error}. "
                    "Set $GOLDIEVAL_STORE to another folder, or use --no-cache."
                ) from error
            space.unusable[space.folder] = f"cannot be written: {error.strerror or error}"
        space.refresh()
        return space

    def trim(self) -> int:
        """Remove the least recently used chunks until the size limit is met; return the number of bytes freed."""
        chunks = [(file, stat) for file in self.root.glob("*/*.safetensors") if (stat := _stat(file)) is not None]
        sweep(*self.root.glob("*/"))
        if math.isinf(self.limit_gb):
            return 0
        excess = sum(stat.st_size for _, stat in chunks) - int(self.limit_gb * 1e9)
        freed = 0
        for file, stat in sorted(chunks, key=lambda entry: entry[1].st_mtime):
            if freed >= excess:
                break
            with suppress(OSError):  # owned by another user
                file.unlink(missing_ok=True)
                freed += stat.st_size
        return freed


@contextmanager
def open_store(cache: bool = True) -> Iterator[Store]:
    """Open the user's store, or without ``cache`` an empty one that is deleted on exit.

    Raises:
        GoldievalError: ``$GOLDIEVAL_STORE_GB`` is not a size.
    """
    if cache:
        store = Store(store_root(), _limit())
        yield store
        store.trim()
        return
    scratch = Path(tempfile.gettempdir())
    sweep(scratch)  # stores of runs that were killed
    with temporary_folder(scratch, "goldieval") as folder:
        yield Store(folder)


def _folder_name(identity: str) -> str:
    """Return a short, plain identity as it is, half of an identity that is a SHA-256, else half of its SHA-256."""
    if re.fullmatch("[A-Za-z0-9_-]{1,32}", identity):
        return identity
    digest = identity if re.fullmatch("[0-9a-f]{64}", identity) else hashlib.sha256(identity.encode()).hexdigest()
    return digest[:32]


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None


def _limit() -> float:
    text = os.environ.get("GOLDIEVAL_STORE_GB", "")
    try:
        limit = float(text) if text else DEFAULT_LIMIT_GB
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise GoldievalError(f"$GOLDIEVAL_STORE_GB should be a number of gigabytes (or inf), but is {text!r}.")
    return limit

"""Where data lie, and file names that stay inside their folder."""

from __future__ import annotations

import os
from pathlib import Path

from goldieval.errors import GoldievalError, TaskError


def cache_root() -> Path:
    """The user's cache folder for this program (XDG_CACHE_HOME is honoured)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "goldieval"


def data_root(given: Path | None = None) -> Path:
    """``--data-dir``, else ``$GOLDIEVAL_DATA``, else the cache folder. A source lies in ``<root>/<source id>/``."""
    if given is not None:
        return _existing(given, "--data-dir")
    return _existing(default_root(), "$GOLDIEVAL_DATA") if os.environ.get("GOLDIEVAL_DATA") else default_root()


def default_root() -> Path:
    """Return the data root of a command without ``--data-dir``, whether it exists or not."""
    named = os.environ.get("GOLDIEVAL_DATA")
    return Path(named) if named else cache_root() / "data"


def store_root() -> Path:
    """``$GOLDIEVAL_STORE``, else the cache folder: where embeddings are kept."""
    named = os.environ.get("GOLDIEVAL_STORE")
    return Path(named) if named else cache_root() / "embeddings"


def _existing(folder: Path, where: str) -> Path:
    if not folder.is_dir():
        raise GoldievalError(f"{where} names {folder}, which is no folder. Create it or name another.")
    return folder


def inside(root: Path, name: str) -> Path:
    """Return ``root/name``, refusing a name that would leave the folder (``..``, absolute paths).

    Links below the root are the user's own and are followed.
    """
    path = Path(os.path.normpath(root / name))
    if not path.is_relative_to(os.path.normpath(root)):
        raise TaskError(f"file name {name!r} would leave its folder {root}. Write it relative to that folder.")
    return path

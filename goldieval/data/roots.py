"""Root folders of data and stored embeddings."""

from __future__ import annotations

import os
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.core.ledger import cache_root
from goldieval.core.paths import inside

__all__ = ["cache_root", "data_root", "default_root", "inside", "store_root"]


def data_root(given: Path | None = None) -> Path:
    """Return ``--data-dir``, else ``$GOLDIEVAL_DATA``, else the cache folder; it contains ``<source id>/``."""
    if given is not None:
        return _existing(given, "--data-dir")
    return _existing(default_root(), "$GOLDIEVAL_DATA") if os.environ.get("GOLDIEVAL_DATA") else default_root()


def default_root() -> Path:
    """Return the data root of a command without ``--data-dir``, whether it exists or not."""
    named = os.environ.get("GOLDIEVAL_DATA")
    return Path(named) if named else cache_root() / "data"


def store_root() -> Path:
    """Return ``$GOLDIEVAL_STORE``, else the cache folder: where embeddings are stored."""
    named = os.environ.get("GOLDIEVAL_STORE")
    return Path(named) if named else cache_root() / "embeddings"


def _existing(folder: Path, where: str) -> Path:
    if not folder.is_dir():
        raise GoldievalError(f"{where} names {folder}, which is not a folder. Create it or name another.")
    return folder

"""Record of the user's own actions, kept outside all data folders, where no data set can write.

Two kinds of information are trusted only if they are recorded here: where the files of a data folder were fetched from,
and which folders the user has linked in, so that symbolic links may point to them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write, exclusive_lock


def cache_root() -> Path:
    """Return this program's cache folder (respects XDG_CACHE_HOME). Raises GoldievalError if the user has no home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "goldieval"
    except RuntimeError:  # a number without an account, as in some containers
        raise GoldievalError("this user has no home folder. Name a folder in $HOME or $XDG_CACHE_HOME.") from None


def allowed_folders() -> list[str]:
    """Return the resolved folders that links may point to: those in ``$GOLDIEVAL_FOLDERS`` and those linked in."""
    named = os.environ.get("GOLDIEVAL_FOLDERS", "").split(os.pathsep)
    return [os.path.realpath(folder) for folder in (*named, *_given(_read())) if folder]


def allow_folders(folders: list[str]) -> None:
    """Record that the user linked these folders in. Raises GoldievalError if the cache cannot be written."""
    new = [os.path.realpath(folder) for folder in folders]
    if set(new) - set(_given(_read())):
        _change(lambda content: content | {"given": list(dict.fromkeys([*_given(content), *new]))})


def record_origins_hash(folder: Path, sha256: str) -> None:
    """Record the hash of the list of origins that was just written for a data folder.

    Raises:
        GoldievalError: The cache cannot be written.
    """
    _change(lambda content: content | {"fetched": _fetched(content) | {os.path.realpath(folder): sha256}})


def recorded_origins_hash(folder: Path) -> str:
    """Return the hash that ``record_origins_hash`` recorded for a data folder, or an empty string."""
    found = _fetched(_read()).get(os.path.realpath(folder), "")
    return found if isinstance(found, str) else ""


def _given(content: dict[str, Any]) -> list[str]:
    given = content.get("given")
    return [folder for folder in given if isinstance(folder, str)] if isinstance(given, list) else []


def _fetched(content: dict[str, Any]) -> dict[str, Any]:
    fetched = content.get("fetched")
    return fetched if isinstance(fetched, dict) else {}


def _file() -> Path:
    return cache_root() / "folders.json"


def _read() -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError, GoldievalError):
        content = json.loads(_file().read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    return {}


def _change(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the record, read again under the lock because another process may have added to it."""
    file = _file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(file):
            atomic_write(file, json.dumps(change(_read()), indent=1).encode())
    except OSError as error:
        raise GoldievalError(
            f"cannot write {file}: {error.strerror or error}. Name another $XDG_CACHE_HOME."
        ) from error

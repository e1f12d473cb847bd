"""Reading of files of unknown origin: regular files only, up to a maximum size."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goldieval.core.limits import JSON_BYTES, TEXT_BYTES


def read_bytes(file: Path, most: int) -> bytes:
    """Return a file's content.

    Args:
        file: The file to read.
        most: Maximum size in bytes.

    Raises:
        OSError: The file cannot be read, is not a regular file (reading a pipe would block), or is larger than
            ``most`` bytes, also if it grows while it is read.
    """
    try:
        return _read(file, most)
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
        return _read(file, most)  # on NFS, another machine has replaced the file since it was opened


def _read(file: Path, most: int) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as stream:
        about = os.fstat(descriptor)
        _check_kind(about.st_mode, file)
        content = stream.read(most + 1) if about.st_size <= most else b""
        if about.st_size > most or len(content) > most:
            raise OSError(errno.EFBIG, f"larger than {most:,} bytes", str(file))
        return content


def check_regular(file: Path) -> None:
    """Raise OSError if a file does not exist or is not a regular file."""
    _check_kind(file.stat().st_mode, file)


def _check_kind(mode: int, file: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(file))


def read_text(file: Path, most: int = TEXT_BYTES) -> str:
    """Return a UTF-8 text without its byte order mark. Raises OSError like ``read_bytes``, or UnicodeDecodeError."""
    return read_bytes(file, most).decode("utf-8-sig")


def parse_json(text: str | bytes, unique: bool = False) -> Any:
    """Parse JSON.

    Args:
        text: The JSON text.
        unique: Whether a key that an object has twice is an error; else its last value counts.

    Raises:
        ValueError: The text is not JSON, a key is there twice, or nesting or numbers exceed Python's limits.
    """
    try:
        return json.loads(text, object_pairs_hook=unique_keys if unique else None)
    except RecursionError:
        raise ValueError("nested too deep") from None


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object with these keys and values. Raises ValueError for a key that is there twice.

    >>> unique_keys([("a", 1), ("b", 2)])
    {'a': 1, 'b': 2}
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"an object has the key {doubled[:40]!r} twice")
    return found


def read_json(file: Path, most: int = JSON_BYTES) -> Any:
    """Return what a JSON file of at most ``most`` bytes holds. Raises OSError as ``read_bytes``, or ValueError."""
    return parse_json(read_text(file, most))

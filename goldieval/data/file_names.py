"""Names of files and samples: validation, and an escaped form for names that are not valid Unicode."""

from __future__ import annotations

import os
from pathlib import Path

from goldieval.core.errors import TaskError
from goldieval.data.roots import inside
from goldieval.data.text_files import LONE_SURROGATE


def escape_undecodable(name: str) -> str:
    r"""Return a name that every file and terminal can represent; valid Unicode is returned unchanged.

    Python represents a byte that is not UTF-8 as a lone surrogate, which is written ``\xNN`` here; other lone
    surrogates are written ``\uNNNN``, and then a backslash ``\\``, so that the original bytes can be recovered.

    >>> escape_undecodable("caf\udce9.png"), escape_undecodable("a\\b.png")
    ('caf\\xe9.png', 'a\\b.png')
    """
    if not LONE_SURROGATE.search(name):
        return name
    return LONE_SURROGATE.sub(lambda found: _escaped(ord(found[0])), name.replace("\\", "\\\\"))


def _escaped(code: int) -> str:
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def file_name(where: str, value: object, column: str) -> str:
    """Return a file name from a row. Raises TaskError if the value cannot be a file name."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TaskError(f"{where}: {column!r} should name a file, but holds {str(value)[:40]!r}.")
    name = str(value)
    if not name.strip():
        raise TaskError(f"{where}: {column!r} does not name a file.")
    if "\0" in name:
        raise TaskError(f"{where}: {column!r} names a file with a zero byte in it, {name[:40]!r}.")
    if LONE_SURROGATE.search(name):
        raise TaskError(f"{where}: {column!r} names a file that is not Unicode text: {escape_undecodable(name)!r}.")
    return name


def relative_name(folder: Path, name: str) -> str:
    r"""Return a file name relative to ``folder``.

    For an absolute path below the folder, the folder's part is removed. A Windows path (``img\0.png``) gets slashes if
    only that names an existing file. Other names are returned unchanged.
    """
    if os.path.isabs(name):
        for root in (os.path.abspath(folder), os.path.realpath(folder)):
            if Path(name).is_relative_to(root):
                return Path(name).relative_to(root).as_posix()
    if "\\" in name and not os.path.lexists(folder / name):
        slashed = name.replace("\\", "/")
        return slashed if os.path.lexists(folder / slashed) else name
    return name


def picture_file(where: str, folder: Path, value: object, column: str) -> Path:
    """Return the file inside ``folder`` that a row names. Raises TaskError that names the row."""
    name = relative_name(folder, file_name(where, value, column))
    try:
        return inside(folder, name)
    except TaskError as error:
        raise TaskError(f"{where}: {error}") from None

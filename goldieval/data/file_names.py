"""Names of files and samples: what may be one, and how one that is not Unicode is written down."""

from __future__ import annotations

import os
from pathlib import Path

from goldieval.core.errors import TaskError
from goldieval.data.roots import inside
from goldieval.data.text_files import LONE_SURROGATE


def escape_undecodable(name: str) -> str:
    r"""Return a name that every file and screen can hold; names that are Unicode stay as they are.

    Python reads a byte that is not UTF-8 as a lone surrogate; it is written ``\xNN`` here, other lone surrogates
    ``\uNNNN``, and then a backslash ``\\``, so that the bytes can be told again.

    >>> printable("caf\udce9.png"), printable("a\\b.png")
    ('caf\\xe9.png', 'a\\b.png')
    """
    if not LONE_SURROGATE.search(name):
        return name
    return LONE_SURROGATE.sub(lambda found: _escaped(ord(found[0])), name.replace("\\", "\\\\"))


def _escaped(code: int) -> str:
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def file_name(where: str, value: object, column: str) -> str:
    """Return a file name that a row gives. Raises TaskError for what can name no file."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TaskError(f"{where}: {column!r} should name a file, but holds {str(value)[:40]!r}.")
    name = str(value)
    if not name.strip():
        raise TaskError(f"{where}: {column!r} names no file.")
    if "\0" in name:
        raise TaskError(f"{where}: {column!r} names a file with a zero byte in it, {name[:40]!r}.")
    if LONE_SURROGATE.search(name):
        raise TaskError(f"{where}: {column!r} names a file that is no Unicode text: {escape_undecodable(name)!r}.")
    return name


def relative_name(folder: Path, name: str) -> str:
    r"""Return a file name as it stands below ``folder``.

    An absolute one that lies there loses the folder's part; a Windows path (``img\0.png``) gets slashes where only
    that names a file. Others stay as they are.
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
    """Return the file inside ``folder`` that a row names. Raises TaskError with the row."""
    name = relative_name(folder, file_name(where, value, column))
    try:
        return inside(folder, name)
    except TaskError as error:
        raise TaskError(f"{where}: {error}") from None

"""Text files of unknown origin: valid Unicode or an error, never replacement characters.

A byte order mark determines the encoding (UTF-8, UTF-16, UTF-32) and is removed; without one a file is UTF-8.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from goldieval.core.errors import TaskError
from goldieval.core.limits import JSON_BYTES, TEXT_BYTES
from goldieval.core.reading import check_regular, read_bytes, unique_keys

# UTF-32 first: its little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LOOKED_AT = 4096  # bytes in which a UTF-16 text has a zero byte
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def encoding_of(start: bytes) -> str:
    """Return the encoding of a text that begins with these bytes.

    >>> encoding_of(b"image,label"), encoding_of(b"\\xff\\xfei\\x00")
    ('utf-8', 'utf-16')
    """
    return next((name for mark, name in MARKS if start.startswith(mark)), "utf-8")


def text_of(data: bytes, where: str) -> str:
    """Decode a text. Raises TaskError that names the first invalid byte and its line."""
    try:
        return _without_zeros(data.decode(encoding_of(data[:4])), where)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TaskError(
            f"cannot read {where}: byte {error.start + 1} (line {line}) is not {error.encoding.upper()}. "
            "Save the text as UTF-8."
        ) from None


def _without_zeros(text: str, where: str) -> str:
    """Return a text. Raises TaskError for zero characters, as in UTF-16 without a byte order mark read as UTF-8."""
    if "\0" in text:
        raise TaskError(
            f"cannot read {where}: character {text.index(chr(0)) + 1} is a zero byte, so it is not text, or it is "
            "UTF-16 without a byte order mark. Save it as UTF-8."
        )
    return text


def read_text_file(file: Path, most: int = TEXT_BYTES) -> str:
    """Read a text file of at most ``most`` bytes. Raises TaskError if it cannot be read or is not Unicode."""
    try:
        return text_of(read_bytes(file, most), str(file))
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise TaskError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}.") from None


@contextmanager
def open_text(file: Path, newline: str | None = None) -> Iterator[TextIO]:
    """Open a text file for reading by line. Raises TaskError if it cannot be read or is not Unicode."""
    try:
        check_regular(file)
        with file.open("rb") as stream:
            start = stream.read(LOOKED_AT)
        encoding = encoding_of(start)
        if encoding in ("utf-8", "utf-8-sig") and b"\0" in start:
            _without_zeros(start.decode("latin-1"), str(file))
        with file.open(encoding=encoding, newline=newline) as text:
            yield text
    except UnicodeDecodeError:
        text_of(file.read_bytes(), str(file))  # raises an error that names the position
        raise TaskError(f"cannot read {file}: it was modified while it was read.") from None
    except (OSError, ValueError) as error:
        raise TaskError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}.") from None


def parse_json_text(text: str, where: str, unique: bool = False) -> Any:
    """Parse JSON; NaN and Infinity, which Python writes although JSON does not define them, become None.

    Args:
        text: The JSON text.
        where: Location for error messages.
        unique: Whether a key that an object has twice is an error; else its last value counts.

    Raises:
        TaskError: The JSON is invalid, contains several documents, is nested too deeply, or has a key twice.
    """
    hook = unique_keys if unique else None
    try:
        return json.loads(text, parse_constant=lambda name: None, object_pairs_hook=hook)
    except json.JSONDecodeError as error:
        more = " It may be JSON Lines: name it .jsonl." if error.msg == "Extra data" and error.lineno > 1 else ""
        raise TaskError(f"{where}: invalid JSON: {error}.{more}") from None
    except (ValueError, RecursionError) as error:  # a number with thousands of digits, excessive nesting, a key twice
        raise TaskError(f"{where}: invalid JSON: {error}.") from None


def read_json_file(file: Path, unique: bool = False) -> Any:
    """Return the content of a JSON file. Raises TaskError if it cannot be read, or as ``parse_json_text``."""
    return parse_json_text(read_text_file(file, JSON_BYTES), str(file), unique)


def check_encodable(text: str, where: str) -> str:
    r"""Return the text. Raises TaskError for a lone surrogate (JSON's ``"\ud83d"``), which no model can read."""
    if found := LONE_SURROGATE.search(text):
        raise TaskError(
            f"{where}: character {found.start() + 1} is \\u{ord(found[0]):04x}, a lone surrogate, so this is not valid "
            "Unicode. Correct it in the source."
        )
    return text

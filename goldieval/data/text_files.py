"""Text of files of unknown origin: Unicode or refused, never with replacement characters in it.

A byte order mark says which Unicode it is (UTF-8, UTF-16, UTF-32) and is dropped; without one a file is UTF-8.
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
from goldieval.core.reading import check_regular, read_bytes

# UTF-32 first: its little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LOOKED_AT = 4096  # bytes in which a text in UTF-16 has a zero byte
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def encoding_of(start: bytes) -> str:
    """Return the encoding of a text that begins with these bytes.

    >>> encoding_of(b"image,label"), encoding_of(b"\\xff\\xfei\\x00")
    ('utf-8', 'utf-16')
    """
    return next((name for mark, name in MARKS if start.startswith(mark)), "utf-8")


def text_of(data: bytes, where: str) -> str:
    """Decode a text. Raises TaskError naming the first byte that is not Unicode, and its line."""
    try:
        return _without_zeros(data.decode(encoding_of(data[:4])), where)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TaskError(
            f"cannot read {where}: byte {error.start + 1} (line {line}) is not {error.encoding.upper()}. "
            "Save the text as UTF-8."
        ) from None


def _without_zeros(text: str, where: str) -> str:
    """Return a text. Raises TaskError for zero characters: UTF-16 without its mark reads as UTF-8 with such."""
    if "\0" in text:
        raise TaskError(
            f"cannot read {where}: character {text.index(chr(0)) + 1} is a zero byte, so it is no text, or one in "
            "UTF-16 without a byte order mark. Save it as UTF-8."
        )
    return text


def read_text_file(file: Path, most: int = TEXT_BYTES) -> str:
    """Read a text file of at most ``most`` bytes. Raises TaskError if it cannot be read or is no Unicode."""
    try:
        return text_of(read_bytes(file, most), str(file))
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise TaskError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}.") from None


@contextmanager
def open_text(file: Path, newline: str | None = None) -> Iterator[TextIO]:
    """Open a text file to be read line by line. Raises TaskError if it cannot be read or is no Unicode."""
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
        text_of(file.read_bytes(), str(file))  # says where
        raise TaskError(f"cannot read {file}: it changed meanwhile.") from None
    except (OSError, ValueError) as error:
        raise TaskError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}.") from None


def parse_json_text(text: str, where: str) -> Any:
    """Parse JSON; NaN and Infinity, which JSON does not know but Python writes, are no values (None).

    Raises:
        TaskError: broken, several documents, or nested without end.
    """
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except json.JSONDecodeError as error:
        more = " It may be JSON Lines: name it .jsonl." if error.msg == "Extra data" and error.lineno > 1 else ""
        raise TaskError(f"{where}: broken JSON: {error}.{more}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets without end
        raise TaskError(f"{where}: broken JSON: {error}.") from None


def read_json_file(file: Path) -> Any:
    """Return what a JSON file holds. Raises TaskError if it cannot be read or is no JSON."""
    return parse_json_text(read_text_file(file, JSON_BYTES), str(file))


def check_encodable(text: str, where: str) -> str:
    r"""Return the text. Raises TaskError for half of a surrogate pair (JSON's ``"\ud83d"``): no model can read it."""
    if found := LONE_SURROGATE.search(text):
        raise TaskError(
            f"{where}: character {found.start() + 1} is \\u{ord(found[0]):04x}, half of a surrogate pair, so this is "
            "no Unicode text. Mend it where it was written."
        )
    return text

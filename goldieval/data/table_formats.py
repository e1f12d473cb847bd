"""Formats of table files: CSV, TSV, JSON Lines, JSON, and the caption files of Flickr8k and Flickr30k."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.core.limits import ROW_BYTES
from goldieval.data.file_names import escape_undecodable
from goldieval.data.text_files import open_text, parse_json_text, read_json_file
from goldieval.data.walk import PICTURES

LONGEST_FIELD = 2**24  # characters of a CSV field
SEPARATORS = ";\t|"  # of a CSV file whose first line contains no comma
CAPTION_LINE = re.compile(r"(?P<image>[^\t]+)#(?P<number>[0-9]+)\t(?P<caption>.*)")

TableRow = dict[str, Any]
Numbered = Iterator[tuple[int, Any]]  # rows with the number of their line, or of their place in a list


def _csv(file: Path, records: str) -> Numbered:
    """Yield rows; a row without any value is a blank line."""
    csv.field_size_limit(LONGEST_FIELD)
    with open_text(file, newline="") as stream:
        separator = _separator(file)
        quoted = csv.reader(stream, delimiter=separator, strict=True)
        reader = csv.reader(stream, delimiter=separator, quoting=csv.QUOTE_NONE) if separator == "|" else quoted
        columns: list[str] = []
        try:
            for cells in reader:
                if not any(cells):
                    continue
                _refuse_swallowed(f"{file}:{reader.line_num}", cells, separator)
                if not columns:
                    columns = _columns(file, cells)
                    continue
                padded = cells if separator != "|" else [cell.strip() for cell in cells]
                yield reader.line_num, _row(f"{file}:{reader.line_num}", columns, padded)
        except csv.Error as error:
            raise TaskError(
                f"{file}:{reader.line_num}: {error}. Enclose a text that contains quotes in quotes, and double "
                "each inner quote."
            ) from None


def _refuse_swallowed(where: str, cells: list[str], separator: str) -> None:
    """Raise TaskError for a cell that a stray quote opened many lines above, so that it contains whole rows."""
    for cell in cells:
        first, *more = cell.splitlines() or [""]
        parts = [part for line in more for part in line.split(separator)]
        if any(PurePosixPath(part.strip()).suffix.lower() in PICTURES for part in parts):
            raise TaskError(
                f"{where}: the quote that ends here began {len(more)} lines above "
                f"({escape_undecodable(first)[:30]!r}), and there are rows between. Enclose a text that begins with a "
                "quote in quotes, and double each inner quote."
            )


def _separator(file: Path) -> str:
    """Return a tab for a .tsv, else a comma; one of ``SEPARATORS``, if the first line contains no comma."""
    if file.suffix.lower() == ".tsv":
        return "\t"
    with open_text(file) as stream:
        first = stream.readline(LONGEST_FIELD)
    return "," if "," in first else next((mark for mark in SEPARATORS if mark in first), ",")


def _columns(file: Path, cells: list[str]) -> list[str]:
    columns = [name.strip() for name in cells]
    doubled = sorted({name for name in columns if name and columns.count(name) > 1})
    if doubled:
        raise TaskError(f"{file}: two columns are named {listing(map(repr, doubled))}. Rename one.")
    if any(PurePosixPath(name).suffix.lower() in PICTURES for name in columns):
        raise TaskError(
            f"{file}: its first line ({escape_undecodable(','.join(columns))[:60]!r}) names an image, not columns. "
            "Add a line of column names above it."
        )
    return columns


def _row(where: str, columns: list[str], cells: list[str]) -> TableRow:
    if any(cells[len(columns) :]):
        raise TaskError(f"{where}: more values than columns; enclose texts that contain commas in quotes.")
    filled = [*cells, *[None] * (len(columns) - len(cells))]
    return dict(zip(columns, filled, strict=False))


def _json_lines(file: Path, records: str) -> Numbered:
    with open_text(file) as stream:
        for number, line in enumerate(iter(lambda: stream.readline(ROW_BYTES), ""), start=1):
            if len(line) == ROW_BYTES:
                raise TaskError(f"{file}:{number}: a row has {ROW_BYTES:,} characters or more.")
            if line.strip():
                yield number, parse_json_text(line, f"{file}:{number}", unique=True)


def _captions(file: Path) -> Numbered:
    """Yield the rows of a file with lines ``IMAGE#NUMBER``, tab, caption; quotes are ordinary characters."""
    with open_text(file) as stream:
        for number, line in enumerate(iter(lambda: stream.readline(ROW_BYTES), ""), start=1):
            row = CAPTION_LINE.fullmatch(line.rstrip("\n"))
            if row is None and line.strip():
                raise TaskError(
                    f"{file}:{number}: expected IMAGE#NUMBER, a tab and a caption, but found {line[:40]!r}."
                )
            if row is not None:
                yield number, row.groupdict()


def _text(file: Path, records: str) -> Numbered:
    """Yield the rows of a text file: captions of numbered images, or CSV."""
    return _captions(file) if is_caption_file(file) else _csv(file, records)


def is_caption_file(file: Path) -> bool:
    """Return whether a file begins with ``IMAGE#NUMBER``, tab, caption. Raises TaskError if it is not text."""
    with open_text(file) as stream:
        return CAPTION_LINE.fullmatch(stream.readline(LONGEST_FIELD).rstrip("\n")) is not None


def row_as_mapping(row: Any) -> Any:
    """Return a list as a mapping from ``0``, ``1`` and so on to its values; anything else is returned as it is.

    >>> row_as_mapping([7, "a bus"])
    {'0': 7, '1': 'a bus'}
    """
    return {str(place): value for place, value in enumerate(row)} if isinstance(row, list) else row


def _json(file: Path, records: str) -> Numbered:
    """Yield the rows of a JSON list or mapping; a row that is a list has its positions as columns."""
    content = read_json_file(file, unique=True)
    rows = content.get(records) if records and isinstance(content, dict) else content
    if not records and isinstance(rows, dict):
        rows = rows_of_mapping(rows)
    if not isinstance(rows, list):
        raise TaskError(
            f"{file}: expected a JSON list with one entry per image{f' under {records!r}' if records else ''}."
        )
    for number, row in enumerate(rows, start=1):
        yield number, row_as_mapping(row)


def rows_of_mapping(content: dict[str, Any]) -> list[Any] | None:
    """Return the rows that a JSON mapping contains, or None if it is none of these.

    >>> rows_of_mapping({"a.png": ["one", "two"]})  # captions by image
    [{'image': 'a.png', 'caption': ['one', 'two']}]
    >>> rows_of_mapping({"7": {"filename": "a.png"}})  # rows by key
    [{'filename': 'a.png', 'key': '7'}]
    >>> rows_of_mapping({"filename": {"0": "a.png", "1": "b.png"}})  # columns, as pandas writes them by default
    [{'filename': 'a.png'}, {'filename': 'b.png'}]
    """
    values = list(content.values())
    if values and all(isinstance(value, dict) for value in values):
        if all(key.isdecimal() for value in values for key in value) and not all(map(str.isdecimal, content)):
            return _transposed(content)
        return [value | {"key": value.get("key", key)} for key, value in content.items()]
    if values and all(PurePosixPath(key).suffix.lower() in PICTURES for key in content):
        return [{"image": image, "caption": captions} for image, captions in content.items()]
    return None


def _transposed(content: dict[str, dict[str, Any]]) -> list[Any]:
    keys = dict.fromkeys(key for column in content.values() for key in column)
    return [{name: column.get(key) for name, column in content.items()} for key in keys]


# How each file extension is read: (file, key of the rows in JSON) to numbered rows.
FORMATS: dict[str, Callable[[Path, str], Numbered]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".txt": _text,
    ".token": _text,
    ".jsonl": _json_lines,
    ".jsonlines": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
}

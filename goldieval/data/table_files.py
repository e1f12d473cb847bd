"""Table files as rows: CSV, TSV, JSON Lines, or a JSON list; each row with its location for error messages."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.core.limits import ROW_BYTES
from goldieval.data.file_names import escape_undecodable
from goldieval.data.text_files import check_encodable, open_text, parse_json_text, read_json_file
from goldieval.data.walk import PICTURES

__all__ = [
    "LIST",
    "MISSING",
    "empty",
    "is_missing",
    "raw_value",
    "read_json_file",
    "read_table",
    "text_in",
    "texts_in",
    "value_of",
]

# Notations of a missing value in Python, pandas, R, SQL and Excel, in addition to an empty cell, null and NaN.
MISSING = ("nan", "NaN", "<NA>", "NA", "#N/A", "N/A", "n/a", "NULL", "null", "None")
LIST = re.compile(r"""\[\s*(['"]).*\1\s*\]""", re.DOTALL)  # a list written as text, as pandas does in a CSV
LONGEST_FIELD = 2**24  # characters of a CSV field

TableRow = dict[str, Any]


def read_table(file: Path, records: str = "") -> Iterator[tuple[str, TableRow]]:
    """Yield (location for error messages, row) from a .csv, .tsv, .jsonl, .jsonlines or .json file.

    Args:
        file: The table.
        records: Key of the list in a JSON file; by default the file itself is the list.

    Raises:
        TaskError: The file extension is unknown, the text is not Unicode, JSON is invalid (names the line), or a row
            is not a mapping.
    """
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _json_lines, ".jsonlines": _json_lines}
    ending = file.suffix.lower()
    if ending not in (*readers, ".json"):
        raise TaskError(f"{file}: unknown table format; write .csv, .tsv, .jsonl or .json.")
    for number, row in _json_list(file, records) if ending == ".json" else readers[ending](file):
        if not isinstance(row, dict):
            raise TaskError(f"{file}:{number}: a row must map column names to values.")
        yield f"{file}:{number}", row


def is_missing(value: Any, markers: Sequence[str] = MISSING) -> bool:
    """Return whether a value is missing: null, NaN, an empty text, or a text that marks a missing value.

    >>> is_missing(float("nan")), is_missing(" "), is_missing("NULL"), is_missing("none"), is_missing(0)
    (True, True, True, False, False)
    """
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and (not value.strip() or value.strip() in markers))


def value_of(where: str, entry: TableRow, column: str, markers: Sequence[str] = MISSING) -> Any:
    """Return a row's value; ``a.1.b`` is a path into a nested value, unless a column has that name.

    Raises:
        TaskError: The column does not exist, or its value is missing.
    """
    value = raw_value(where, entry, column)
    if is_missing(value, markers):
        raise TaskError(f"{where}: {empty(column, value)}")
    return value


def raw_value(where: str, entry: TableRow, column: str) -> Any:
    """Return a row's value, which may be missing. Raises TaskError if the column does not exist."""
    there, value = (True, entry[column]) if column in entry else _nested(entry, column)
    if not there:
        raise TaskError(f"{where}: no column {column!r}; it has {', '.join(map(str, entry))}.")
    return value


def empty(column: str, value: Any) -> str:
    """Return the error message for a missing value."""
    if isinstance(value, str) and value.strip():
        return (
            f"empty {column}: {value!r} stands for no value. Fill it in or remove the row (in a table, "
            "`no_value: []` in the card's source makes it an ordinary text)."
        )
    return f"empty {column}. Fill it in or remove the row."


def text_in(where: str, entry: TableRow, column: str, markers: Sequence[str] = MISSING) -> str:
    """Return the text in a column; a number is converted to its digits. Raises TaskError for other types."""
    return _text(where, column, value_of(where, entry, column, markers))


def texts_in(where: str, entry: TableRow, column: str, markers: Sequence[str] = MISSING) -> list[str]:
    """Return the texts in a column that contains one text or a list. Raises TaskError naming the row."""
    value = raw_value(where, entry, column)
    if not isinstance(value, list):
        text = text_in(where, entry, column, markers)
        if LIST.fullmatch(text.strip()):
            raise TaskError(
                f"{where}: column {column!r} holds a list written as text ({text[:40]!r}). Write JSON Lines, or "
                "one row per text."
            )
        return [text]
    for number, text in enumerate(value, start=1):
        if is_missing(text, markers):
            raise TaskError(f"{where}: {empty(column, text).removesuffix('.')} (number {number} of its list).")
    return [_text(where, column, text) for text in value]


def _text(where: str, column: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TaskError(f"{where}: column {column!r} should hold a text, but holds {str(value)[:40]!r}.")
    return check_encodable(str(value), f"{where}, column {column!r}")


def _nested(value: Any, path: str) -> tuple[bool, Any]:
    for step in path.split("."):
        if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return False, None
    return True, value


def _csv(file: Path) -> Iterator[tuple[int, TableRow]]:
    """Yield rows; a row without any value is a blank line."""
    csv.field_size_limit(LONGEST_FIELD)
    with open_text(file, newline="") as stream:
        separator = _separator(file)
        reader = csv.reader(stream, delimiter=separator, strict=True)
        columns: list[str] = []
        try:
            for cells in reader:
                if not any(cells):
                    continue
                _refuse_swallowed(f"{file}:{reader.line_num}", cells, separator)
                if not columns:
                    columns = _columns(file, cells)
                    continue
                yield reader.line_num, _row(f"{file}:{reader.line_num}", columns, cells)
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
    """Return a tab for a .tsv, else a comma; a semicolon or tab, if the first line of a .csv contains no comma."""
    if file.suffix.lower() == ".tsv":
        return "\t"
    with open_text(file) as stream:
        first = stream.readline(LONGEST_FIELD)
    return "," if "," in first else next((mark for mark in ";\t" if mark in first), ",")


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


def _json_lines(file: Path) -> Iterator[tuple[int, Any]]:
    with open_text(file) as stream:
        for number, line in enumerate(iter(lambda: stream.readline(ROW_BYTES), ""), start=1):
            if len(line) == ROW_BYTES:
                raise TaskError(f"{file}:{number}: a row has {ROW_BYTES:,} characters or more.")
            if line.strip():
                yield number, parse_json_text(line, f"{file}:{number}")


def _json_list(file: Path, records: str) -> Iterator[tuple[int, Any]]:
    content = read_json_file(file)
    rows = content.get(records) if records and isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise TaskError(
            f"{file}: expected a JSON list with one entry per image{f' under {records!r}' if records else ''}."
        )
    yield from enumerate(rows, start=1)

"""Rows of table files, each with its location for error messages, and the values of their columns."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from goldieval.core.errors import TaskError
from goldieval.data.table_formats import FORMATS, TableRow
from goldieval.data.text_files import check_encodable, read_json_file
from goldieval.data.walk import LeftOut

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
MISSING_CAPTION = ("captions", "a missing value beside others")
LIST = re.compile(r"""\[\s*(['"]).*\1\s*\]""", re.DOTALL)  # a list written as text, as pandas does in a CSV


def read_table(file: Path, records: str = "") -> Iterator[tuple[str, TableRow]]:
    """Yield (location for error messages, row) from a table; its file extension determines the format.

    Args:
        file: The table.
        records: Key of the rows in a JSON file; by default they are the file itself.

    Raises:
        TaskError: The file extension is unknown, the text is not Unicode, JSON is invalid (names the line), or a row
            is not a mapping.
    """
    rows_of = FORMATS.get(file.suffix.lower())
    if rows_of is None:
        raise TaskError(f"{file}: unknown table format; write .csv, .tsv, .jsonl or .json.")
    for number, row in rows_of(file, records):
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


def nested_value(entry: TableRow, column: str) -> Any:
    """Return a row's value, or None if the column does not exist."""
    return entry[column] if column in entry else _nested(entry, column)[1]


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


def texts_in(
    where: str, entry: TableRow, column: str, markers: Sequence[str] = MISSING, left_out: LeftOut | None = None
) -> list[str]:
    """Return the texts in a column that contains one text or a list.

    Args:
        where: Location for error messages.
        entry: The row.
        column: The column.
        markers: Texts that mark a missing value.
        left_out: Counts the missing texts of a list, which are then left out; without it they are an error.

    Raises:
        TaskError: The column contains no texts; names the row.
    """
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
        if not is_missing(text, markers):
            continue
        if left_out is None:
            raise TaskError(f"{where}: {empty(column, text).removesuffix('.')} (number {number} of its list).")
        left_out[MISSING_CAPTION] += 1
    return [_text(where, column, text) for text in value if not is_missing(text, markers)]


def _text(where: str, column: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TaskError(f"{where}: column {column!r} should hold a text, but holds {str(value)[:40]!r}.")
    return check_encodable(str(value), f"{where}, column {column!r}")


def _nested(value: Any, path: str) -> tuple[bool, Any]:
    """Return whether a path exists, and its value; a name after a list is looked up in each of its mappings."""
    step, _, rest = path.partition(".")
    if isinstance(value, list) and step.isdecimal():
        there, value = int(step) < len(value), value[int(step)] if int(step) < len(value) else None
    elif isinstance(value, list):
        found = [_nested(each, step) for each in value]
        there, value = all(fits for fits, _ in found), [each for _, each in found]
    else:
        there = isinstance(value, dict) and step in value
        value = value[step] if there else None
    return _nested(value, rest) if there and rest else (there, value)

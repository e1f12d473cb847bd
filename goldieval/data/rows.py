"""Rows of a table file: CSV, TSV, JSON Lines, or a list in JSON, each with its place for error messages."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goldieval.core.limits import JSON_BYTES, ROW_BYTES
from goldieval.core.reading import parse_json, read_text
from goldieval.errors import TaskError


def read_table(file: Path, records: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place for error messages, row) from a .csv, .tsv, .jsonl, .jsonlines or .json file.

    Args:
        records: key under which a JSON file's list stands; without it the file is the list.

    Raises:
        TaskError: an unknown ending, broken JSON (with its line), or a row that is no mapping.
    """
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _json_lines, ".jsonlines": _json_lines}
    ending = file.suffix.lower()
    if ending not in (*readers, ".json"):
        raise TaskError(f"{file}: unknown table format; write .csv, .tsv, .jsonl or .json.")
    try:
        for number, row in _json_list(file, records) if ending == ".json" else readers[ending](file):
            if not isinstance(row, dict):
                raise TaskError(f"{file}:{number}: a row must map column names to values.")
            yield f"{file}:{number}", row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TaskError(f"cannot read {file}: {error}") from error


def read_json(file: Path) -> Any:
    """Return what a JSON file holds. Raises TaskError if it cannot be read or is no JSON."""
    try:
        return _parse(read_text(file, JSON_BYTES), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"cannot read {file}: {error}") from error


def value_of(where: str, entry: dict[str, Any], column: str) -> Any:
    """Return a row's value; ``a.1.b`` names a place inside a nested one where no column is called that.

    Raises:
        TaskError: no such column, or nothing in it.
    """
    value = entry.get(column) if column in entry else _nested(entry, column)
    if value is None:
        raise TaskError(f"{where}: no column {column!r}; it has {', '.join(map(str, entry))}.")
    return value


def _nested(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return None
    return value


def _csv(file: Path) -> Iterator[tuple[int, Any]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
        for row in reader:
            if None in row:
                raise TaskError(f"{file}:{reader.line_num}: more values than columns; quote texts that hold commas.")
            yield reader.line_num, row


def _json_lines(file: Path) -> Iterator[tuple[int, Any]]:
    with file.open(encoding="utf-8") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(ROW_BYTES), ""), start=1):
            if len(line) == ROW_BYTES:
                raise TaskError(f"{file}:{number}: a row of {ROW_BYTES:,} characters or more.")
            if line.strip():
                yield number, _parse(line, f"{file}:{number}")


def _json_list(file: Path, records: str) -> Iterator[tuple[int, Any]]:
    content = read_json(file)
    rows = content.get(records) if records and isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise TaskError(
            f"{file}: expected a JSON list with one entry an image{f' under {records!r}' if records else ''}."
        )
    yield from enumerate(rows, start=1)


def _parse(text: str, where: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise TaskError(f"{where}: broken JSON: {error}") from error

"""Lists of class names beside masks: one name per line, with or without numbers, as CSV, or as JSON."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldieval.core.errors import TaskError
from goldieval.data.manage.finding import files_of, json_or_none
from goldieval.data.manage.generic_names import words_of
from goldieval.data.masks import VALUES
from goldieval.data.text_files import read_text_file

NAME_WORDS = frozenset(
    {"class", "classes", "classnames", "names", "categories", "category", "labels", "label", "labelmap", "palette"}
    | {"colors", "colours", "objectinfo", "dict", "legend"}
)
NUMBERED = re.compile(r"(\d{1,3})(?:\s*[:;,\t]\s*|\s+)(.*\S)")
COLOURED = re.compile(r"(?:\d{1,3}[\s,]+){3}(.*\S)")
OF_CVAT = re.compile(r"([^:]*[^:\s][^:]*):(?:\d{1,3},\d{1,3},\d{1,3})?:[^:]*:[^:]*")  # name:colour:parts:actions
NUMBERS = ("value", "pixel value", "pixel_value", "id", "idx", "index", "trainid", "label_id", "class_id", "label", "")
NAMES = ("name", "names", "class_name", "classname", "class", "category", "label")
MOST_BYTES = 1_000_000  # of a list of names


@dataclass(frozen=True)
class ClassList:
    """Names of classes from a file.

    Attributes:
        file: The file, relative to the folder.
        names: Names in the order of the file, if it has no numbers.
        by_value: Names by value, if it has numbers.
    """

    file: str
    names: list[str] = field(default_factory=list)
    by_value: dict[int, str] = field(default_factory=dict)


def class_list(folder: Path) -> ClassList | None:
    """Return the names of the classes that a file in the folder or below it lists, or None if there is none."""
    files = [file for file in files_of(folder, list(_PARSERS)) if NAME_WORDS & set(words_of(file.stem))]
    nearest_first = sorted(files, key=lambda file: (len(file.parts), file.name))
    lists = (_class_list(folder, file) for file in nearest_first if file.stat().st_size <= MOST_BYTES)
    return next((found for found in lists if found is not None), None)


def _class_list(folder: Path, file: Path) -> ClassList | None:
    try:
        numbered, names = _PARSERS[file.suffix.lower()](file)
    except (TaskError, csv.Error):
        return None
    name = file.relative_to(folder).as_posix()
    if numbered and all(0 <= value < VALUES for value in numbered):
        return ClassList(name, by_value=dict(sorted(numbered.items())))
    return ClassList(name, names=names) if len(names) > 1 else None


Parsed = tuple[dict[int, str], list[str]]  # names by value, or names in order


def _text(file: Path) -> Parsed:
    """Read one class per line: a name, a number and a name, a colour and a name, or columns with a header."""
    lines = [line.strip() for line in read_text_file(file).splitlines() if line.strip() and line.strip()[0] != "#"]
    if lines and "\t" in lines[0] and _number_column(header := _cells(lines[0])):
        return _columns([dict(zip(header, _cells(line), strict=False)) for line in lines[1:]])
    for pattern in (COLOURED, OF_CVAT):
        named = [pattern.fullmatch(line) for line in lines]
        if lines and all(named):
            return {}, [found[1] for found in named if found]
    numbered = [NUMBERED.fullmatch(line) for line in lines]
    if lines and all(numbered):
        return {int(found[1]): found[2] for found in numbered if found}, []
    return {}, lines


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")]


def _csv(file: Path) -> Parsed:
    rows = list(csv.DictReader(read_text_file(file).splitlines(), skipinitialspace=True))
    return _columns([{str(key).strip(): str(value or "").strip() for key, value in row.items()} for row in rows])


def _columns(rows: list[dict[str, str]]) -> Parsed:
    """Return the names in a table with a column of names and, possibly, one of numbers."""
    names = {name.lower(): name for name in (rows[0] if rows else {})}
    name = next((names[key] for key in NAMES if key in names), None)
    if name is None:
        return {}, []
    number = _number_column(list(rows[0]))
    if number is not None and number != name and all(row[number].isdecimal() for row in rows):
        return {int(row[number]): _first(row[name]) for row in rows}, []
    return {}, [_first(row[name]) for row in rows]


def _number_column(header: Sequence[str]) -> str | None:
    lowered = {name.lower(): name for name in header}
    return next((lowered[key] for key in NUMBERS if key in lowered), None)


def _first(name: str) -> str:
    """Return names separated by semicolons, as ADE20K writes them, in the form of a card."""
    return ", ".join(part.strip() for part in name.split(";") if part.strip())


def _json(file: Path) -> Parsed:
    """Read a list of names, a mapping in either direction, or a list of entries with a number and a name."""
    content = json_or_none(file, [])
    if isinstance(content, dict) and isinstance(content.get("categories"), list):
        content = content["categories"]
    if isinstance(content, dict):
        return _mapping(content), []
    entries = content if isinstance(content, list) else []
    if all(isinstance(entry, str) for entry in entries):
        return {}, entries
    return _columns([_as_text(entry) for entry in entries if isinstance(entry, dict)])


def _mapping(content: dict[str, Any]) -> dict[int, str]:
    if all(str(key).isdecimal() and isinstance(value, str) for key, value in content.items()):
        return {int(key): value for key, value in content.items()}
    if all(isinstance(value, int) and value >= 0 for value in content.values()):
        return {value: key for key, value in content.items()}
    return {}


def _as_text(entry: dict[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in entry.items() if isinstance(value, str | int)}


_PARSERS = {".txt": _text, ".csv": _csv, ".json": _json}

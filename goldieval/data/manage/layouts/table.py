"""A table of captions or labels: CSV, TSV, JSON Lines, or a JSON list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from goldieval.core.errors import TaskError, listing
from goldieval.data.labels import NUMBER
from goldieval.data.manage.columns import DetectedColumns, Rows, columns_of, numbered_classes
from goldieval.data.manage.finding import (
    TABLES,
    DetectionHints,
    Faults,
    Finding,
    UndecidedError,
    UnfitError,
    files_of,
    json_or_none,
)
from goldieval.data.manage.places import PicturePlace
from goldieval.data.manage.row_splits import with_split, with_unused
from goldieval.data.table_files import read_table

CLASS_NAMES = "classes.txt"


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the tables in a folder that a task can be read from; errors of others are added to ``faults``."""
    found = []
    for file in files_of(folder, list(TABLES)):
        name = file.relative_to(folder).as_posix()
        if hints.file not in ("", name):
            continue
        if file.suffix.lower() == ".json" and not isinstance(json_or_none(file, faults), list):
            continue
        try:
            rows: Rows = [row for _, row in read_table(file)]
            if not rows:
                raise UnfitError(f"{name} has no rows.")
            named = {"image": hints.image, "caption": hints.caption, "label": hints.label}
            columns = columns_of(rows, folder, name, named, hints.named_family)
        except (TaskError, UnfitError, UndecidedError) as error:
            faults.append(error)
            continue
        numbers = numbered_classes(rows, columns.label) if columns.label and not columns.caption else []
        if numbers and not (folder / CLASS_NAMES).is_file():
            faults.append(UndecidedError(_names_wanted(folder, name, columns.label, numbers)))
            continue
        finding = _of_table(file, name, columns, CLASS_NAMES if numbers else "")
        split = with_split(finding, folder, rows, PicturePlace(columns.images, columns.prefix))
        found.append(with_unused(split, rows))
    return found


def _names_wanted(folder: Path, table: str, column: str, numbers: Sequence[str]) -> str:
    if words := [label for label in numbers if not NUMBER.fullmatch(label)]:
        digits = [label for label in numbers if NUMBER.fullmatch(label)]
        return (
            f"{table}: column {column!r} holds class names ({listing(words, 3)}) and class numbers "
            f"({listing(digits, 3)}). Use one kind."
        )
    return (
        f"{table}: column {column!r} holds class numbers ({listing(numbers, 5)}), but prompts require names. Write "
        f"them into {folder / CLASS_NAMES}, one per line, from class 0 on, and run the same command again."
    )


def _of_table(file: Path, name: str, columns: DetectedColumns, classes: str) -> Finding:
    family = "retrieval" if columns.caption else "zeroshot"
    what = f"captions in {columns.caption!r}" if columns.caption else f"classes in {columns.label!r}"
    description = f"a {TABLES[file.suffix.lower()]} table {name}, images in {columns.image!r}, {what}"
    named = {"classes": classes} if classes else {}
    return Finding({"reader": "table", "file": name, **columns.source(family), **named}, family, name, description)

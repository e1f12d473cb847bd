"""Files whose rows may be choices between captions: tables, JSON mappings and Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldieval.core.errors import TaskError
from goldieval.data.manage.columns import Rows
from goldieval.data.manage.features import features_of
from goldieval.data.manage.finding import TABLES, DetectionHints, UnfitError, files_of, json_or_none
from goldieval.data.manage.parquet_groups import groups_of
from goldieval.data.manage.places import PicturePlace, picture_place, place_without_extension
from goldieval.data.manage.row_columns import picture_columns
from goldieval.data.table_files import read_table
from goldieval.data.table_formats import rows_of_mapping


@dataclass(frozen=True)
class ChoiceFile:
    """A file whose rows may be choices.

    Attributes:
        name: The file, or a glob pattern of Parquet files.
        rows: Its first rows.
        pictures: Columns that name images or contain them.
        contained: Columns that contain images.
    """

    name: str
    rows: Rows
    pictures: list[str]
    contained: list[str] = field(default_factory=list)


def choice_files(folder: Path, hints: DetectionHints) -> Iterator[ChoiceFile]:
    """Yield the tables and Parquet files that may hold choices; others are for the next layouts to report."""
    for file in files_of(folder, list(TABLES)):
        name = file.relative_to(folder).as_posix()
        if hints.file in ("", name, file.relative_to(folder).parent.as_posix()) and (rows := _rows(file)):
            yield ChoiceFile(name, rows, picture_columns(rows))
    for pattern, names in groups_of(folder).items():
        if hints.file in ("", pattern, *names):
            try:
                features = features_of(folder, folder / names[0])
            except TaskError:
                continue
            pictures = [*features.images, *picture_columns(features.rows)]
            yield ChoiceFile(pattern, features.rows, pictures, features.images)


def _rows(file: Path) -> Rows:
    """Return the rows of a table, or none if it cannot be read as one."""
    content = json_or_none(file, []) if file.suffix.lower() == ".json" else None
    rows = rows_of_mapping(content) if isinstance(content, dict) else content
    try:
        if file.suffix.lower() != ".json":
            rows = [row for _, row in read_table(file)]
    except TaskError:
        return []
    if not isinstance(rows, list):
        return []
    rows = [dict(map(_place, enumerate(row))) if isinstance(row, list) else row for row in rows]
    return rows if all(isinstance(row, dict) for row in rows) else []


def _place(entry: tuple[int, Any]) -> tuple[str, Any]:
    return str(entry[0]), entry[1]


def place_of(folder: Path, shown: str, names: list[str]) -> PicturePlace:
    place = picture_place(folder, names) or place_without_extension(folder, names)
    if place is None:
        raise UnfitError(f"{shown}: its images (first: {', '.join(names[:1])}) are not below {folder}.")
    return place

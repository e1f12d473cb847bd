"""Caption files that are no plain table: Karpathy's JSON, JSON mappings from image to captions, and Flickr's texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.core.errors import TaskError
from goldieval.data.manage.columns import Rows
from goldieval.data.manage.finding import (
    TABLES,
    DetectionHints,
    Faults,
    Finding,
    UndecidedError,
    UnfitError,
    files_of,
    is_wanted,
    json_or_none,
)
from goldieval.data.manage.places import PicturePlace, picture_place, place_without_extension
from goldieval.data.manage.row_columns import caption_column, paths_of, picture_columns, values_of
from goldieval.data.manage.row_splits import with_split
from goldieval.data.table_files import read_table
from goldieval.data.table_formats import is_caption_file, rows_of_mapping
from goldieval.data.text_files import open_text

LONGEST_ID = 100  # characters
LONGEST_HEADER = 1000  # characters of the first line of a table in a .txt
CAPTION_NAMES = {"caption", "captions", "comment", "text", "title", "sentence"}
IMAGE_NAMES = ("image", "filename", "file_name", "filepath", "image_path", "path", "file")  # the first that fits
SEPARATORS = ",;|\t"


@dataclass(frozen=True)
class CaptionTable:
    """Rows of a file that is read as a table.

    Attributes:
        name: The file, relative to the folder.
        rows: Its rows.
        records: Key of the rows in a JSON file.
        what: Description of the file.
    """

    name: str
    rows: Rows
    records: str
    what: str


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the caption files in a folder; errors of others are added to ``faults``."""
    found = []
    for table in _tables(folder, hints, faults) if is_wanted("retrieval", hints) else ():
        try:
            found.append(_finding(folder, table, hints))
        except (TaskError, UnfitError, UndecidedError) as error:
            faults.append(error)
    return found


def _tables(folder: Path, hints: DetectionHints, faults: Faults) -> Iterator[CaptionTable]:
    for file in files_of(folder, [*TABLES, ".token", ".txt"]):
        name = file.relative_to(folder).as_posix()
        if hints.file not in ("", name):
            continue
        content = json_or_none(file, faults) if file.suffix.lower() == ".json" else None
        if isinstance(content, dict):
            yield from _of_json(name, content)
        elif what := TABLES.get(file.suffix.lower(), "") or _text_format(file):
            rows = _rows(file, faults)
            if file.suffix.lower() not in TABLES or not picture_columns(rows):  # else it is an ordinary table
                yield CaptionTable(name, rows, "", f"the {what}")


def _rows(file: Path, faults: Faults) -> Rows:
    try:
        return [row for _, row in read_table(file)]
    except TaskError as error:
        faults.append(error)
        return []


def _of_json(name: str, content: dict[str, Any]) -> Iterator[CaptionTable]:
    """Yield the rows in a JSON mapping: itself, or the longest of its lists with names of images."""
    if rows := rows_of_mapping(content):
        if picture_columns(rows):
            yield CaptionTable(name, rows, "", "a JSON mapping")
        return
    lists = {key: rows for key, rows in content.items() if isinstance(rows, list) and rows and _are_mappings(rows)}
    with_pictures = [key for key, rows in lists.items() if picture_columns(rows)]
    if with_pictures:
        key = max(with_pictures, key=lambda key: len(lists[key]))
        yield CaptionTable(name, lists[key], key, f"the list {key!r} of")


def _are_mappings(rows: list[Any]) -> bool:
    return all(isinstance(row, dict) for row in rows)


def _text_format(file: Path) -> str:
    """Return what a text file is, or an empty string if it is no caption file."""
    try:
        if is_caption_file(file):
            return "caption file"
        with open_text(file) as stream:
            first = stream.readline(LONGEST_HEADER).lower()
    except TaskError:
        return ""
    separator = next((mark for mark in SEPARATORS if mark in first), "")
    names = {name.strip() for name in first.split(separator)} if separator else set()
    has_image = any(name.startswith(("image", "file", "img")) for name in names)
    return "table" if has_image and any(name in CAPTION_NAMES for name in names) else ""


def _finding(folder: Path, table: CaptionTable, hints: DetectionHints) -> Finding:
    """Return how a file is read. Raises UnfitError or UndecidedError if that is not clear."""
    image, place = _images(folder, table, hints)
    caption = caption_column(table.name, table.rows, hints.caption, [image, *picture_columns(table.rows)])
    if not caption:
        raise UnfitError(f"{table.name} has no captions for the images in {image!r}; name their key with --caption.")
    source = {"reader": "table", "file": table.name, "records": table.records, "image": image, "caption": caption}
    source |= {"images": place.images if place.images != "." else "", "prefix": place.prefix}
    source |= {"picture": f"{{}}{place.extension}" if place.extension else ""}
    description = f"{table.what} {table.name}, images in {image!r}, captions in {caption!r}"
    kept = {key: value for key, value in source.items() if value}
    return with_split(Finding(kept, "retrieval", table.name, description), folder, table.rows, place)


def _images(folder: Path, table: CaptionTable, hints: DetectionHints) -> tuple[str, PicturePlace]:
    """Return the column that names the images, with or without their file extension, and where they are."""
    pictures = picture_columns(table.rows)
    candidates = [hints.image] if hints.image else pictures or _id_columns(table.rows)
    image = next((name for name in candidates if name in IMAGE_NAMES), next(iter(candidates), ""))
    if not image:
        raise UnfitError(f"{table.name} has no column with names of image files.")
    look = picture_place if image in pictures else place_without_extension
    for column in [image, *candidates]:
        names = [str(value) for value in values_of(table.rows, column, len(table.rows))]
        if (place := look(folder, names)) is not None:
            return column, place
    raise UnfitError(f"{table.name}: its images (first: {names[0] if names else 'none'}) are not below {folder}.")


def _id_columns(rows: Rows) -> list[str]:
    """Return the columns of short, different texts or numbers: possible names of images without an extension."""
    return [path for path in paths_of(rows) if _are_ids(values_of(rows, path))]


def _are_ids(values: list[Any]) -> bool:
    short = all(isinstance(value, str | int) and len(str(value)) <= LONGEST_ID for value in values)
    return short and 1 < len(set(values)) > 0.5 * len(values)

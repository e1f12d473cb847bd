"""Caption files that are no plain table: Karpathy's JSON, JSON mappings from image to captions, and Flickr's texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.core.errors import TaskError
from goldieval.data.manage.columns import Rows
from goldieval.data.manage.finding import (
    DetectionHints,
    Faults,
    Finding,
    UndecidedError,
    UnfitError,
    files_of,
    is_wanted,
    json_or_none,
)
from goldieval.data.manage.places import picture_place
from goldieval.data.manage.row_columns import caption_column, picture_columns, values_of
from goldieval.data.manage.row_splits import with_split
from goldieval.data.table_files import read_table
from goldieval.data.table_formats import is_caption_file, rows_of_mapping
from goldieval.data.text_files import open_text

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
    for file in files_of(folder, [".json", ".token", ".txt"]):
        name = file.relative_to(folder).as_posix()
        if hints.file not in ("", name):
            continue
        if file.suffix.lower() == ".json":
            yield from _of_json(name, json_or_none(file, faults))
        elif what := _text_format(file):
            try:
                yield CaptionTable(name, [row for _, row in read_table(file)], "", what)
            except TaskError as error:
                faults.append(error)


def _of_json(name: str, content: Any) -> Iterator[CaptionTable]:
    """Yield the rows in a JSON mapping: itself, or the longest of its lists with names of images."""
    if not isinstance(content, dict) or not content:
        return
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
            return "the caption file"
        with open_text(file) as stream:
            first = stream.readline(LONGEST_HEADER).lower()
    except TaskError:
        return ""
    separator = next((mark for mark in SEPARATORS if mark in first), "")
    names = {name.strip() for name in first.split(separator)} if separator else set()
    has_image = any(name.startswith(("image", "file", "img")) for name in names)
    return "the table" if has_image and any(name in CAPTION_NAMES for name in names) else ""


def _finding(folder: Path, table: CaptionTable, hints: DetectionHints) -> Finding:
    """Return how a file is read. Raises UnfitError or UndecidedError if that is not clear."""
    pictures = picture_columns(table.rows)
    image = hints.image or next((name for name in pictures if name in IMAGE_NAMES), next(iter(pictures), ""))
    if image not in pictures:
        raise UnfitError(f"{table.name} has no column {hints.image or 'with names of image files'}.")
    names = [str(value) for value in values_of(table.rows, image, len(table.rows))]
    place = picture_place(folder, names)
    if place is None:
        raise UnfitError(f"{table.name}: its images (first: {names[0]}) are not below {folder}.")
    caption = caption_column(table.name, table.rows, hints.caption, pictures)
    if not caption:
        raise UnfitError(f"{table.name} has no captions for the images in {image!r}; name their key with --caption.")
    source = {"reader": "table", "file": table.name, "records": table.records, "image": image, "caption": caption}
    source |= {"images": place.images if place.images != "." else "", "prefix": place.prefix}
    description = f"{table.what} {table.name}, images in {image!r}, captions in {caption!r}"
    kept = {key: value for key, value in source.items() if value}
    return with_split(Finding(kept, "retrieval", table.name, description), folder, table.rows, place)

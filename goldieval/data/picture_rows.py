"""Rows of a table or of Parquet files, each with its pictures: files that it names, or images that it contains."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.data.file_names import file_name, picture_file, relative_name
from goldieval.data.file_patterns import matching_files
from goldieval.data.image_source import FileImage, ImageSource
from goldieval.data.parquet_columns import column_of, open_columns
from goldieval.data.parquet_images import ParquetImage
from goldieval.data.roots import inside
from goldieval.data.source import is_there
from goldieval.data.table_files import read_table

Row = tuple[str, dict[str, Any]]  # location for error messages, and values


@dataclass(frozen=True)
class PictureColumns:
    """How the pictures of a row are found.

    Attributes:
        columns: Columns of the pictures.
        images: Folder of the image files, below the data's folder; if empty, names are relative to the latter.
        prefix: Leading part of the file names to remove.
        picture: File name pattern, with ``{}`` for the value, or ``{:012}`` for a number with leading zeros.
        base_name: Whether only the last part of a path in the table is used, since it was written on another machine.
    """

    columns: Sequence[str]
    images: str = ""
    prefix: str = ""
    picture: str = "{}"
    base_name: bool = False

    def of(self, folder: Path, where: str, entry: dict[str, Any]) -> list[tuple[ImageSource, str]]:
        """Return the source of each picture of a row, and its path for reports. Raises TaskError."""
        return [self._one(folder, where, entry, column) for column in self.columns]

    def _one(self, folder: Path, where: str, entry: dict[str, Any], column: str) -> tuple[ImageSource, str]:
        value = entry.get(column)
        if isinstance(value, ParquetImage):
            return value, f"{Path(where).name}-{column}"
        top = inside(folder, self.images or ".")
        name = file_name(where, value, column).removeprefix(self.prefix)
        name = re.split(r"[/\\]", name)[-1] if self.base_name else name
        name = filled(self.picture, name)
        path = relative_name(top, name)
        return FileImage(picture_file(where, top, name, column)), f"{self.images}/{path}" if self.images else path


def filled(pattern: str, value: str) -> str:
    """Return a pattern with the value in its place.

    >>> filled("COCO_{:012}.jpg", "9"), filled("{}.png", "a")
    ('COCO_000000000009.jpg', 'a.png')
    """
    return re.sub(r"\{(?::0(\d{1,3}))?\}", lambda place: value.zfill(int(place[1] or 0)), pattern)


def is_parquet(file: str) -> bool:
    return file.lower().endswith(".parquet")


def missing_files(folder: Path, file: str, where: str) -> list[str]:
    """Return the table, or the glob pattern of Parquet files, if it does not exist."""
    if is_parquet(file):
        return [] if matching_files(folder, file, where) else [file]
    return [] if is_there(folder, file) else [file]


def rows_with_pictures(folder: Path, file: str, pictures: Sequence[str], texts: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a table; a picture in a Parquet file becomes a ``ParquetImage``.

    Args:
        folder: Folder of the data.
        file: A table, or a glob pattern of Parquet files.
        pictures: Columns of pictures.
        texts: Other columns that are required.

    Raises:
        TaskError: A file is invalid, or lacks a column.
    """
    if not is_parquet(file):
        yield from read_table(inside(folder, file))
        return
    for name in matching_files(folder, file, "source.file"):
        yield from _parquet_rows(inside(folder, name), pictures, texts)


def _parquet_rows(path: Path, pictures: Sequence[str], texts: Sequence[str]) -> Iterator[Row]:
    table, _ = open_columns(path, [*pictures, *texts])
    as_names = [name for name in pictures if str(table.schema.field(name).type) in ("string", "large_string")]
    columns = [*as_names, *(column_of(name, table.schema.names) for name in texts)]
    number = 0
    for batch in table.select(list(dict.fromkeys(columns))).to_batches():
        for entry in batch.to_pylist():
            images = {name: ParquetImage(table, name, number, path) for name in pictures if name not in as_names}
            yield f"{path}#{number}", entry | images
            number += 1

"""Pictures of questions, of which many rows of a table may repeat the same one: each is one image of the data set."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from goldieval.core.errors import TaskError, listing
from goldieval.data.file_patterns import matching_files
from goldieval.data.parquet_columns import open_columns, open_rows
from goldieval.data.parquet_images import ParquetImage
from goldieval.data.picture_rows import PictureColumns
from goldieval.data.roots import inside
from goldieval.data.samples import ImageSample
from goldieval.data.table_files import text_in

Column = Annotated[str, Field(min_length=1)]


class ImageTable(BaseModel):
    """Parquet files with one row per picture, apart from those of the questions.

    Attributes:
        file: Glob pattern of the files.
        id: Column of the id that questions name.
        image: Column of the picture.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, Field(pattern=r"\.parquet$")]
    id: Column = "id"
    image: Column = "image"


@dataclass(frozen=True)
class StoredPicture:
    """A picture in a row of a Parquet file.

    Attributes:
        file: The file.
        column: Column of the picture.
        number: Number of the row.
    """

    file: Path
    column: str
    number: int

    @property
    def place(self) -> str:
        """Name of the file and number of the row."""
        return f"{self.file.name}#{self.number}"


class QuestionImages:
    """Images in the order of their first question. Of a Parquet file, only the rows are unpacked that are needed."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._found: list[ImageSample | StoredPicture] = []
        self._opened: tuple[Path, Any] | None = None

    def by_id(self, id: str, picture: ImageSample | StoredPicture) -> int:
        """Return the index of the picture with an id, which is added if it is new."""
        if id not in self._rows:
            self._rows[id] = len(self._rows)
            self._found.append(picture)
        return self._rows[id]

    def by_content(self, picture: StoredPicture) -> int:
        """Return the index of the picture with the same content, which is added if it is new."""
        if self._opened is None or self._opened[0] != picture.file:
            self._opened = picture.file, open_columns(picture.file, [picture.column])[0]
        source = ParquetImage(self._opened[1], picture.column, picture.number, picture.file)
        try:
            key = source.key()
        except OSError:  # reported when the picture is read
            key = picture.place
        return self.by_id(key, ImageSample(picture.place, source, picture.place))

    def samples(self) -> list[ImageSample]:
        """Return the images. Raises TaskError if a Parquet file cannot be read."""
        numbers: dict[tuple[Path, str], list[int]] = defaultdict(list)
        for picture in self._found:
            if isinstance(picture, StoredPicture):
                numbers[picture.file, picture.column].append(picture.number)
        opened = {
            StoredPicture(file, column, number): ParquetImage(table, column, place, file, number)
            for (file, column), rows in numbers.items()
            for table in [open_rows(file, column, sorted(rows))]
            for place, number in enumerate(sorted(rows))
        }
        return [
            ImageSample(id, opened[picture], picture.place) if isinstance(picture, StoredPicture) else picture
            for id, picture in zip(self._rows, self._found, strict=True)
        ]


class RowPictures:
    """The pictures of rows: in the rows, in a table of their own, or in files."""

    def __init__(self, folder: Path, image_id: str, table: ImageTable | None, files: PictureColumns) -> None:
        self._folder, self._image_id, self._table, self._files = folder, image_id, table, files
        self._images = QuestionImages()
        self._in_table = _pictures_by_id(folder, table) if table is not None else {}
        self._used: set[str] = set()
        self._file_of: dict[str, str] = {}  # id to file, of pictures in files

    def row_of(self, where: str, row: dict[str, Any], stored: StoredPicture | None) -> int:
        """Return the index of the image of a row.

        Args:
            where: Location for error messages.
            row: The row.
            stored: The picture that the row contains, if any.

        Raises:
            TaskError: There is no such picture, or its id is that of another file.
        """
        id = text_in(where, row, self._image_id, ()) if self._image_id else ""
        if self._table is not None:
            return self._images.by_id(id, self._named(where, id, self._table))
        if stored is not None:
            return self._images.by_id(id, stored) if id else self._images.by_content(stored)
        ((source, path),) = self._files.of(self._folder, where, row)
        name = posixpath.normpath(path)  # ``./a.png`` is ``a.png``
        id = id or name
        if (known := self._file_of.setdefault(id, name)) != name:
            raise TaskError(
                f"{where}: the image id {id[:40]!r} is that of {known} in an earlier row, and of {name} here."
            )
        return self._images.by_id(id, ImageSample(id, source, path))

    def _named(self, where: str, id: str, table: ImageTable) -> StoredPicture:
        if id not in self._in_table:
            raise TaskError(f"{where}: no picture in {table.file} has the id {id[:40]!r}.")
        self._used.add(id)
        return self._in_table[id]

    def samples(self) -> list[ImageSample]:
        """Return the images. Raises TaskError if a file cannot be read."""
        return self._images.samples()

    def notes(self) -> list[str]:
        """Return a line on the pictures of a table that no question is about."""
        unused = [id for id in self._in_table if id not in self._used]
        return [f"left out: {len(unused):,} pictures that no question is about: {listing(unused)}"] if unused else []


def _pictures_by_id(folder: Path, table: ImageTable) -> dict[str, StoredPicture]:
    """Return the pictures of a table by their ids. Raises TaskError if it lacks a column, or has an id twice."""
    found: dict[str, StoredPicture] = {}
    for name in matching_files(folder, table.file, "source.image_table.file"):
        file = inside(folder, name)
        for number, row in enumerate(rows_of(file, [table.id])):
            where = f"{file}#{number}"
            id = text_in(where, row, table.id, ())
            if id in found:
                raise TaskError(f"{where}: the id {id[:40]!r} is there twice, also in {found[id].place}.")
            found[id] = StoredPicture(file, table.image, number)
    return found


def rows_of(file: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the values of columns of a Parquet file, row by row. Raises TaskError if one is missing."""
    table, _ = open_columns(file, columns)
    for batch in table.to_batches():
        yield from batch.to_pylist()

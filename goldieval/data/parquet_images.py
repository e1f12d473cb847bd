"""Images of a Parquet file: encoded bytes in its own column, or names of files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.data.file_names import picture_file, relative_name
from goldieval.data.image_source import EncodedImage, FileImage
from goldieval.data.places import Place
from goldieval.data.roots import inside


@dataclass(frozen=True, eq=False)
class ParquetImage(EncodedImage):
    """Row ``row`` of a memory-mapped table; its bytes are read on demand.

    A column may declare itself an image in another file or on the web; only bytes in the column itself are read.

    Attributes:
        table: The table.
        column: Column of the images.
        row: Row in the table.
        file: Parquet file of the table.
        number: Row in the file, if the table has only some of its rows.
    """

    table: Any
    column: str
    row: int
    file: Path | None = None
    number: int | None = None

    def place(self) -> Place | None:
        number = self.row if self.number is None else self.number
        return Place(self.file, f"{self.column} {number}") if self.file is not None else None

    def read(self) -> bytes:
        value = self.table.column(self.column)[self.row].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise OSError(f"row {self.row}: column {self.column!r} holds no image bytes")
        return data


def image_in_file(where: str, folder: Path, images: str, value: Any, column: str) -> tuple[FileImage, str]:
    """Return the image file that a value names, and its path relative to the data's folder.

    Args:
        where: Location for error messages.
        folder: Folder of the data.
        images: Folder of the images below it.
        value: Name of the file, or the Hub's mapping with a ``path``.
        column: Name of the column, for error messages.

    Raises:
        TaskError: The value does not name a file in the folder.
    """
    top = inside(folder, images)
    name = value.get("path") if isinstance(value, dict) else value
    file = picture_file(where, top, name, column)
    return FileImage(file), f"{images}/{relative_name(top, str(name))}"

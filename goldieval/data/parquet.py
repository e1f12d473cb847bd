"""Parquet files as on the Hugging Face Hub: an image column, and a label or a caption column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from goldieval.core.errors import TaskError, listing
from goldieval.data.caption_rules import CaptionedSource, without_missing
from goldieval.data.file_patterns import matching_files
from goldieval.data.groups import Groups, group_of
from goldieval.data.image_source import ImageSource
from goldieval.data.labels import class_names_in, index_of, label_text
from goldieval.data.parquet_columns import class_names, column_of, open_columns
from goldieval.data.parquet_images import ParquetImage, image_in_file
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample
from goldieval.data.source import read_names
from goldieval.data.table_files import MISSING, raw_value, texts_in, value_of
from goldieval.data.text_files import text_of
from goldieval.data.walk import LeftOut, left_out_notes

__all__ = ["ParquetImage", "ParquetSource"]


@dataclass(frozen=True)
class LabelColumn:
    """Meaning of the labels in one file.

    Attributes:
        names: Class names, if there are any.
        numbered: Whether the file declares that a number is an index into ``names``, even if a name is a number too.
    """

    names: list[str] | None
    numbered: bool


@dataclass(frozen=True)
class ParquetPart:
    """One Parquet file.

    Attributes:
        path: The file.
        table: Its columns.
        names: Class names that it declares for its label column, if any.
    """

    path: Path
    table: Any
    names: list[str] | None


class ParquetSource(CaptionedSource):
    """Parquet files as a card's source.

    Attributes:
        files: Glob pattern below the folder.
        image: Column of the image.
        images: Folder of the image files, if the image column contains their names instead of images.
        id_column: Column of the sample id; by default the id is file name and row.
        label: Column of the label.
        caption: Column of the caption, or list of captions; ``sentences.raw`` is a path into nested values.
        classes: File with class names, if the label column has none of its own. By default, names are taken from a
            label column that contains texts.
        where: Rows to use, by column and value.
        groups: Columns of the group of each image.
    """

    reader: Literal["parquet"]
    files: str = "*.parquet"
    image: str = "image"
    images: str = ""
    id_column: str = ""
    label: str = ""
    caption: str = ""
    classes: str = ""
    where: dict[str, str] = {}
    groups: Groups = []

    def needs(self) -> list[str]:
        return [name for name in (self.classes, self.images) if name]

    def missing(self, folder: Path) -> list[str]:
        return super().missing(folder) or ([] if self._paths(folder) else [self.files])

    def read(self, folder: Path) -> Dataset:
        parts = [self._part(path) for path in self._paths(folder)]
        names = read_names(inside(folder, self.classes)) if self.classes else self._names_in(parts)
        left_out: LeftOut = LeftOut()
        rows = [row for part in parts for row in self._rows(folder, part, names, left_out)]
        return self.dataset(rows, names, left_out_notes(left_out))

    def _paths(self, folder: Path) -> list[Path]:
        return [inside(folder, name) for name in matching_files(folder, self.files, "source.files")]

    def _part(self, path: Path) -> ParquetPart:
        wanted = [self.image, *self._columns]
        table, features = open_columns(path, [name for name in wanted if name])
        return ParquetPart(path, table, class_names(path, features, self.label))

    def _names_in(self, parts: list[ParquetPart]) -> list[str] | None:
        """Return the class names that the files declare, or that a label column of texts contains.

        Raises:
            TaskError: Two files declare different names.
        """
        declared = [part for part in parts if part.names]
        if different := [part for part in declared if part.names != declared[0].names]:
            raise TaskError(
                f"{different[0].path}, column {self.label!r}: its class names differ from those of "
                f"{declared[0].path.name}: {listing(different[0].names or ())}."
            )
        if declared or not self.label:
            return declared[0].names if declared else None
        labels = [
            (where, value_of(where, _decoded(where, entry), self.label, ()))
            for part in parts
            for where, _, entry in self._entries(part)
        ]
        if not all(isinstance(value, str) for _, value in labels):
            return None
        return class_names_in(label_text(where, value) for where, value in labels)

    def _rows(
        self, folder: Path, part: ParquetPart, names: list[str] | None, left_out: LeftOut
    ) -> Iterator[AnnotatedImage]:
        labels = LabelColumn(part.names, True) if part.names else LabelColumn(names, False)
        for where, number, entry in self._entries(part):
            place = f"{part.path.name}#{number}"
            id = str(value_of(where, entry, self.id_column, ())) if self.id_column else place
            captions = [(f"{id}#{at}", text) for at, text in enumerate(self._captions(where, entry, left_out))]
            image = ImageSample(id, *self._image(folder, part, number, where))
            group = group_of(where, self.groups, partial(value_of, where, _decoded(where, entry)))
            yield AnnotatedImage(image, self._label(where, entry, labels), captions, group)

    def _image(self, folder: Path, part: ParquetPart, number: int, where: str) -> tuple[ImageSource, str]:
        """Return the source of a row's image, and its path for reports."""
        if self.images:
            return image_in_file(where, folder, self.images, part.table.column(self.image)[number].as_py(), self.image)
        return ParquetImage(part.table, self.image, number, part.path), f"{part.path.name}#{number}"

    def _entries(self, part: ParquetPart) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Yield location, number and values (without the image) of the rows to use."""
        for number, entry in enumerate(_values(part.table, self._columns)):
            where = f"{part.path}#{number}"
            if all(str(raw_value(where, entry, column)) == value for column, value in self.where.items()):
                yield where, number, entry

    @property
    def _columns(self) -> list[str]:
        """The columns that are read besides that of the image; some may be empty."""
        return [self.id_column, self.label, self.caption, *self.where, *(each.key for each in self.groups)]

    def _captions(self, where: str, entry: dict[str, Any], left_out: LeftOut) -> list[str]:
        if not self.caption:
            return []
        decoded = _decoded(where, entry)
        if self.allows_missing and not without_missing(raw_value(where, decoded, self.caption), MISSING):
            return []
        return texts_in(where, decoded, self.caption, left_out=left_out if self.allows_missing else None)

    def _label(self, where: str, entry: dict[str, Any], labels: LabelColumn) -> int | None:
        if not self.label:
            return None
        value = value_of(where, _decoded(where, entry), self.label, ())
        if isinstance(value, bool):
            raise TaskError(f"{where}: label {value!r} is neither a class index nor a name in source.classes.")
        return index_of(where, value, labels.names if isinstance(value, str) or not labels.numbered else None)


def _decoded(where: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its binary columns decoded as text. Raises TaskError if they are not text."""
    return {
        name: text_of(value, f"{where}, column {name!r}") if isinstance(value, bytes) else value
        for name, value in entry.items()
    }


def _values(table: Any, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield each row's values in the named columns."""
    named = [column_of(column, table.schema.names) for column in columns if column]
    if not named:
        yield from ({} for _ in range(table.num_rows))
        return
    for batch in table.select(list(dict.fromkeys(named))).to_batches():
        yield from batch.to_pylist()

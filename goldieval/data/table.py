"""Tables with one row per image: CSV, TSV, JSON Lines or a JSON list, with image and label or captions."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from goldieval.core.errors import TaskError
from goldieval.data.file_names import file_name, picture_file, relative_name
from goldieval.data.image_source import FileImage, ImageSource, NoImage
from goldieval.data.labels import class_names_in, index_of, label_text
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.data.source import Source, read_names
from goldieval.data.table_files import MISSING, raw_value, read_table, text_in, texts_in, value_of


class Table(BaseModel):
    """One table file. A row with a single caption may name an image of an earlier row; its captions are joined.

    A column may be a path into nested values, such as ``conversations.1.value``.

    Attributes:
        file: The table.
        records: Key of the list in a JSON file that is not a list.
        where: Rows to use, by column and value.
        rows: Maximum number of rows, from the first.
        image: Column of the image's path.
        image_id: Column of the sample id; by default the image column.
        label: Column of the label.
        caption: Column of the caption, or list of captions.
        caption_id: Column of the caption's id, or list of ids.
        classes: File with class names in label order; by default, names are taken from the label column.
        images: Folder that image paths are relative to.
        picture: File name pattern in ``images``, with ``{}`` for the image column.
        pictures: Whether there are image files; false for ids of precomputed embeddings.
        no_value: Texts that mark a missing value, besides an empty text, null and NaN; a missing value is an error.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    records: str = ""
    where: dict[str, str] = {}
    rows: Annotated[int, Field(ge=1)] | None = None
    image: str = "image"
    image_id: str = ""
    label: str = ""
    caption: str = ""
    caption_id: str = ""
    classes: str = ""
    images: str = "."
    picture: str = "{}"
    pictures: bool = True
    no_value: list[str] = list(MISSING)

    @field_validator("picture")
    @classmethod
    def _has_one_place_for_the_column(cls, picture: str) -> str:
        if picture.count("{}") != 1:
            raise ValueError(f"{picture!r} needs one {{}} in the place of the image column")
        return picture

    def files(self) -> list[str]:
        """Return the files and folders that must exist."""
        return [self.file, self.images, *([self.classes] if self.classes else [])]

    def names(self, folder: Path) -> list[str] | None:
        """Return the class names from the file in ``classes``, or from a label column that contains names."""
        return read_names(inside(folder, self.classes)) if self.classes else self._classes_in(inside(folder, self.file))

    def read_rows(self, folder: Path, names: list[str] | None) -> list[AnnotatedImage]:
        """Return one row per image. Raises TaskError with file and row."""
        rows: dict[str, AnnotatedImage] = {}
        for place, entry in self._entries(inside(folder, self.file)):
            row = self._row(folder, place, entry, names)
            known = rows.setdefault(row.image.id, row)
            if known is not row:
                rows[row.image.id] = AnnotatedImage(known.image, known.label, _joined(place, known, row))
        return list(rows.values())

    def _entries(self, file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        wanted = (
            (place, entry)
            for place, entry in read_table(file, self.records)
            if all(str(raw_value(place, entry, column)) == value for column, value in self.where.items())
        )
        return itertools.islice(wanted, self.rows)

    def _classes_in(self, file: Path) -> list[str] | None:
        """Return the sorted class names in the label column, or None if it contains numbers."""
        if not self.label:
            return None
        return class_names_in(
            label_text(place, value_of(place, entry, self.label, self.no_value)) for place, entry in self._entries(file)
        )

    def _row(self, folder: Path, where: str, entry: dict[str, Any], names: list[str] | None) -> AnnotatedImage:
        given = value_of(where, entry, self.image, self.no_value)
        if self.pictures:
            given = file_name(where, given, self.image)
        path = self.picture.replace("{}", str(given))
        id = text_in(where, entry, self.image_id, self.no_value) if self.image_id else path
        source: ImageSource = NoImage()
        if self.pictures:
            top = inside(folder, self.images)
            source, path = FileImage(picture_file(where, top, path, self.image)), relative_name(top, path)
        label = index_of(where, value_of(where, entry, self.label, self.no_value), names) if self.label else None
        return AnnotatedImage(
            ImageSample(id, source, path if self.pictures else ""), label, self._captions(where, entry, id)
        )

    def _captions(self, where: str, entry: dict[str, Any], image_id: str) -> list[tuple[str, str]]:
        if not self.caption:
            return []
        texts = texts_in(where, entry, self.caption, self.no_value)
        if not self.caption_id:
            return _named(image_id, texts, in_order=isinstance(raw_value(where, entry, self.caption), list))
        ids = value_of(where, entry, self.caption_id)
        ids = ids if isinstance(ids, list) else [ids]
        if len(ids) != len(texts):
            raise TaskError(f"{where}: {len(ids)} entries in {self.caption_id!r} but {len(texts)} captions.")
        return [(str(id), text) for id, text in zip(ids, texts, strict=True)]


class TableSource(Source, Table):
    """A table as a card's source."""

    reader: Literal["table"]

    def needs(self) -> list[str]:
        return self.files()

    def read(self, folder: Path) -> Dataset:
        names = self.names(folder)
        return dataset_of(self.read_rows(folder, names), names)


class TablesSource(Source):
    """Several tables in sequence; each image belongs to one of them."""

    reader: Literal["tables"]
    parts: Annotated[list[Table], Field(min_length=1)]

    def needs(self) -> list[str]:
        return list(dict.fromkeys(name for part in self.parts for name in part.files()))

    def read(self, folder: Path) -> Dataset:
        names = self.parts[0].names(folder)
        return dataset_of([row for part in self.parts for row in part.read_rows(folder, names)], names)


def _named(image_id: str, texts: list[str], in_order: bool) -> list[tuple[str, str]]:
    """Return captions with ids: their position in the row's list or, with one row per caption, a hash of the text.

    The order of rows is not a property of the data and must not affect an id.
    """
    if in_order:
        return [(f"{image_id}#{number}", text) for number, text in enumerate(texts)]
    return [(f"{image_id}#{hashlib.sha256(text.encode()).hexdigest()[:8]}", text) for text in texts]


def _joined(where: str, known: AnnotatedImage, again: AnnotatedImage) -> list[tuple[str, str]]:
    """Return the captions of two rows of one image. Raises TaskError if the second has none, or repeats one."""
    if not again.captions:
        raise TaskError(f"{where}: image id {known.image.id!r} occurs twice. Give every image one row.")
    texts = dict(known.captions)
    for id, text in again.captions:
        if texts.get(id) == text:
            raise TaskError(f"{where}: image {known.image.id!r} has the caption {text[:60]!r} twice. Remove one row.")
    return [*known.captions, *again.captions]

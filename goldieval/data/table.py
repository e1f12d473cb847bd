"""Tables with one row per image: CSV, TSV, JSON Lines or a JSON list, with image and label or captions."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from goldieval.core.errors import TaskError, listing
from goldieval.data.caption_rules import CaptionedSource, repeated_note, without_missing
from goldieval.data.file_names import file_name, picture_file, relative_name
from goldieval.data.groups import Groups, group_of
from goldieval.data.image_source import FileImage, ImageSource, NoImage
from goldieval.data.labels import class_names_in, index_of, label_text
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.data.source import Source, read_lines, read_names
from goldieval.data.table_captions import join_captions, named_captions
from goldieval.data.table_files import MISSING, nested_value, raw_value, read_table, text_in, texts_in, value_of
from goldieval.data.walk import LeftOut, left_out_notes


class Table(BaseModel):
    """One table file. A row may name an image of an earlier row; its captions are joined, each different one once.

    A column may be a path into nested values, such as ``conversations.1.value``, or ``sentences.raw`` for a list of
    mappings.

    Attributes:
        file: The table.
        records: Key of the list in a JSON file that is not a list.
        where: Rows to use, by column and value.
        listed: File with one image per line, whose rows to use.
        prefix: Leading part of the image paths to remove, such as a folder of another machine or an address.
        rows: Maximum number of rows, from the first.
        image: Column of the image's path.
        image_id: Column of the sample id; by default the image column.
        label: Column of the label.
        caption: Column of the caption, or list of captions.
        caption_id: Column of the caption's id, or list of ids.
        groups: Columns of the group of each image.
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
    listed: str = ""
    prefix: str = ""
    rows: Annotated[int, Field(ge=1)] | None = None
    image: str = "image"
    image_id: str = ""
    label: str = ""
    caption: str = ""
    caption_id: str = ""
    groups: Groups = []
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
        return [self.file, self.images, *(name for name in (self.classes, self.listed) if name)]

    def names(self, folder: Path) -> list[str] | None:
        """Return the class names from the file in ``classes``, or from a label column that contains names."""
        return read_names(inside(folder, self.classes)) if self.classes else self._classes_in(inside(folder, self.file))

    def read_rows(
        self, folder: Path, names: list[str] | None, allow_missing: bool = False
    ) -> tuple[list[AnnotatedImage], list[str]]:
        """Return one row per image, and notes.

        Args:
            folder: Folder of the data.
            names: Class names.
            allow_missing: Whether rows may lack their caption; those of images that have others are counted.

        Raises:
            TaskError: A row is invalid; names file and row.
        """
        rows: dict[str, AnnotatedImage] = {}
        texts: dict[str, dict[str, str]] = {}  # of images that occur in several rows, by caption id
        repeats: list[tuple[str, str]] = []
        empty: list[tuple[str, AnnotatedImage]] = []
        left_out = LeftOut() if allow_missing else None
        listed = self._listed(folder)
        for place, entry in self._entries(inside(folder, self.file)):
            row = self._row(folder, place, entry, names, left_out)
            if listed is not None and row.image.id not in listed and PurePosixPath(row.image.path).name not in listed:
                continue
            known = rows.setdefault(row.image.id, row)
            empty += [(place, known)] if self.caption and not row.captions else []
            if known is not row:
                if row.image.id not in texts:
                    texts[row.image.id] = dict(known.captions)
                allowed = bool(self.caption) and allow_missing
                repeats += join_captions(place, known, texts[row.image.id], row, allowed)
        lacking = [place for place, known in empty if known.captions]
        notes = [f"left out: {len(lacking):,} rows without a caption, of images with another: {listing(lacking)}"]
        notes = [*left_out_notes(left_out or LeftOut()), *(notes if lacking else []), *repeated_note(repeats)]
        return list(rows.values()), notes

    def _listed(self, folder: Path) -> set[str] | None:
        return set(read_lines(inside(folder, self.listed))) if self.listed else None

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

    def _row(
        self, folder: Path, where: str, entry: dict[str, Any], names: list[str] | None, left_out: LeftOut | None
    ) -> AnnotatedImage:
        given = value_of(where, entry, self.image, self.no_value)
        if self.pictures:
            given = file_name(where, given, self.image)
        path = self.picture.replace("{}", str(given).removeprefix(self.prefix))
        source: ImageSource = NoImage()
        id = path
        if self.pictures:
            top = inside(folder, self.images)
            source, path = FileImage(picture_file(where, top, path, self.image)), relative_name(top, path)
            id = path if os.path.isabs(id) else id
        if self.image_id:
            id = text_in(where, entry, self.image_id, self.no_value)
        label = index_of(where, value_of(where, entry, self.label, self.no_value), names) if self.label else None
        captions = self._captions(where, entry, id, left_out) if self.caption else []
        group = group_of(where, self.groups, lambda column: value_of(where, entry, column, self.no_value))
        return AnnotatedImage(ImageSample(id, source, path if self.pictures else ""), label, captions, group)

    def _captions(
        self, where: str, entry: dict[str, Any], image_id: str, left_out: LeftOut | None
    ) -> list[tuple[str, str]]:
        if left_out is not None and not without_missing(nested_value(entry, self.caption), self.no_value):
            return []
        value = raw_value(where, entry, self.caption)
        texts = texts_in(where, entry, self.caption, self.no_value, None if self.caption_id else left_out)
        if not self.caption_id:
            return named_captions(image_id, texts, in_order=isinstance(value, list))
        ids = value_of(where, entry, self.caption_id)
        ids = ids if isinstance(ids, list) else [ids]
        if len(ids) != len(texts):
            raise TaskError(f"{where}: {len(ids)} entries in {self.caption_id!r} but {len(texts)} captions.")
        return [(str(id), text) for id, text in zip(ids, texts, strict=True)]


class TableSource(CaptionedSource, Table):
    """A table as a card's source."""

    reader: Literal["table"]

    def needs(self) -> list[str]:
        return self.files()

    def read(self, folder: Path) -> Dataset:
        names = self.names(folder)
        rows, notes = self.read_rows(folder, names, self.allows_missing)
        return self.dataset(rows, names, notes)


class TablesSource(Source):
    """Several tables in sequence; each image belongs to one of them."""

    reader: Literal["tables"]
    parts: Annotated[list[Table], Field(min_length=1)]

    def needs(self) -> list[str]:
        return list(dict.fromkeys(name for part in self.parts for name in part.files()))

    def read(self, folder: Path) -> Dataset:
        names = self.parts[0].names(folder)
        rows: list[AnnotatedImage] = []
        notes: list[str] = []
        for part in self.parts:
            more_rows, more_notes = part.read_rows(folder, names)
            rows, notes = [*rows, *more_rows], [*notes, *more_notes]
        return dataset_of(rows, names, notes)

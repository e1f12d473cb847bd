"""Tables with one row an image: CSV, TSV, JSON Lines or a JSON list, naming picture and label or captions."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from goldieval.data.paths import inside
from goldieval.data.rows import read_table, value_of
from goldieval.data.samples import Dataset, FileImage, ImageSample, ImageSource, NoImage, Row, dataset_of
from goldieval.data.source import Source, read_lines
from goldieval.errors import TaskError


class Table(BaseModel):
    """One table file. Columns are named by the card: ``image`` (path), and ``label`` or ``caption`` (text or list).

    records: key of the list in a JSON file that is no list.   where: rows to take, by column and value.
    rows: only so many, the first ones.
    image_id: column with the sample id; the image column by default.
    pictures: false when the rows are ids without picture files (precomputed embeddings).
    images: folder that the paths in ``image`` start from.   picture: file name there, ``{}`` for the image column.
    classes: file with class names in label order; without it a label column that holds names tells them itself.
    A row with a single caption may name an image that another row named: its captions are joined.
    A column may be a path into nested values, as ``conversations.1.value``.
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

    @field_validator("picture")
    @classmethod
    def _has_one_place_for_the_column(cls, picture: str) -> str:
        if picture.count("{}") != 1:
            raise ValueError(f"{picture!r} needs one {{}} where the image column goes")
        return picture

    def files(self) -> list[str]:
        """Return what must lie in the folder."""
        return [self.file, self.images, *([self.classes] if self.classes else [])]

    def names(self, folder: Path) -> list[str] | None:
        """Return the class names: of the file that the card names, else of a label column that holds names."""
        return read_lines(inside(folder, self.classes)) if self.classes else self._classes_in(inside(folder, self.file))

    def read_rows(self, folder: Path, names: list[str] | None) -> list[Row]:
        """Return one row an image. Raises TaskError with file and row."""
        rows: dict[str, Row] = {}
        for place, entry in self._entries(inside(folder, self.file)):
            row = self._row(folder, place, entry, names)
            known = rows.setdefault(row.image.id, row)
            if known is not row:
                if not row.captions:
                    raise TaskError(f"{place}: image id {row.image.id!r} appears twice. Give every image one row.")
                rows[row.image.id] = Row(known.image, known.label, [*known.captions, *row.captions])
        return list(rows.values())

    def _entries(self, file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        wanted = (
            (place, entry)
            for place, entry in read_table(file, self.records)
            if all(str(value_of(place, entry, column)) == value for column, value in self.where.items())
        )
        return itertools.islice(wanted, self.rows)

    def _classes_in(self, file: Path) -> list[str] | None:
        """Return the class names of a label column that holds names and no numbers, sorted."""
        values = {str(entry.get(self.label)).strip() for _, entry in self._entries(file)} if self.label else set()
        return None if not values or any(re.fullmatch("-?[0-9]+", value) for value in values) else sorted(values)

    def _row(self, folder: Path, where: str, entry: dict[str, Any], names: list[str] | None) -> Row:
        path = self.picture.replace("{}", str(value_of(where, entry, self.image)))
        id = str(value_of(where, entry, self.image_id)) if self.image_id else path
        source: ImageSource = FileImage(inside(inside(folder, self.images), path)) if self.pictures else NoImage()
        label = _label(where, value_of(where, entry, self.label), names) if self.label else None
        return Row(ImageSample(id, source, path if self.pictures else ""), label, self._captions(where, entry, id))

    def _captions(self, where: str, entry: dict[str, Any], image_id: str) -> list[tuple[str, str]]:
        if not self.caption:
            return []
        value = value_of(where, entry, self.caption)
        texts = ["" if text is None else str(text) for text in (value if isinstance(value, list) else [value])]
        if not all(text.strip() for text in texts):
            raise TaskError(f"{where}: empty caption. Remove it or write what it should say.")
        if not self.caption_id:
            return _named(image_id, texts, in_order=isinstance(value, list))
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
    """Several tables, one after the other; an image belongs to one of them."""

    reader: Literal["tables"]
    parts: Annotated[list[Table], Field(min_length=1)]

    def needs(self) -> list[str]:
        return list(dict.fromkeys(name for part in self.parts for name in part.files()))

    def read(self, folder: Path) -> Dataset:
        names = self.parts[0].names(folder)
        return dataset_of([row for part in self.parts for row in part.read_rows(folder, names)], names)


def _named(image_id: str, texts: list[str], in_order: bool) -> list[tuple[str, str]]:
    """Give captions ids: their place in the row's list, or where each has a row of its own, a hash of the text.

    The order of rows is no property of the data, so it must not enter an id.
    """
    if in_order:
        return [(f"{image_id}#{number}", text) for number, text in enumerate(texts)]
    return [(f"{image_id}#{hashlib.sha256(text.encode()).hexdigest()[:8]}", text) for text in texts]


def _label(where: str, value: Any, names: list[str] | None) -> int:
    text = str(value).strip()
    if names and text in names:
        return names.index(text)
    try:
        return int(text)
    except ValueError:
        raise TaskError(f"{where}: label {text!r} is neither a class name nor an index.") from None

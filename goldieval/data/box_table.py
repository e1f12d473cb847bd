"""Tables with one row per box: CSV, TSV, JSON Lines, a JSON list or Parquet, with a class or with candidate texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from goldieval.core.errors import TaskError
from goldieval.data.box_rows import BoxRow, BoxRows, Format, Size, corners_of
from goldieval.data.groups import plain_name
from goldieval.data.labels import class_names_in, index_of, label_text
from goldieval.data.parquet_images import ParquetImage
from goldieval.data.picture_rows import PictureColumns, Row, is_parquet, missing_files, rows_with_pictures
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample, check_labels
from goldieval.data.source import Source, read_names
from goldieval.data.table_files import raw_value, text_in, texts_in, value_of

MOST_PIXELS = 1_000_000  # of one side of a picture


def _one_or_four(columns: str | list[str]) -> str | list[str]:
    if isinstance(columns, list) and len(columns) != 4:
        raise ValueError(f"names {len(columns)} columns: give one that holds a list of four numbers, or four")
    return columns


class BoxTableSource(Source):
    """Boxes in a table as a card's source. A box has either a class, or a true text and false ones.

    Attributes:
        file: The table, or a glob pattern of Parquet files.
        image: Column of the picture's file name, or of the picture in a Parquet file.
        images: Folder that the names are relative to; if empty, the data's folder.
        prefix: Leading part of the names to remove.
        box: Column with a list of four numbers in pixels of the original picture, or four columns.
        format: ``xywh`` (left, top, width, height; COCO) or ``xyxy`` (left, top, right, bottom).
        size: Columns of width and height of the picture, which are compared with the picture.
        box_id: Column of the box's id; by default its number in the table.
        label: Column of the class, by name or index.
        classes: File with class names in label order; by default, names are taken from the label column.
        true: Column of the true text.
        false: Column of the false texts, one or a list.
        groups: Columns whose values name groups of boxes that can be reported separately.
    """

    reader: Literal["boxes"]
    file: str
    image: str = "image"
    images: str = ""
    prefix: str = ""
    box: Annotated[str | list[str], AfterValidator(_one_or_four)] = "bbox"
    format: Format = "xywh"
    size: Annotated[list[str], Field(max_length=2)] = []
    box_id: str = ""
    label: str = ""
    classes: str = ""
    true: str = ""
    false: str = ""
    groups: list[str] = []

    @model_validator(mode="after")
    def _has_classes_or_texts(self) -> BoxTableSource:
        if bool(self.label) == bool(self.true) or bool(self.true) != bool(self.false):
            raise ValueError("give either label (a class), or true and false (candidate texts)")
        if len(self.size) == 1:
            raise ValueError("size names the column of the width and that of the height")
        return self

    def needs(self) -> list[str]:
        listed = [] if is_parquet(self.file) else [self.file]
        return [*listed, self.images or ".", *([self.classes] if self.classes else [])]

    def missing(self, folder: Path) -> list[str]:
        return super().missing(folder) or missing_files(folder, self.file, "source.file")

    def read(self, folder: Path) -> Dataset:
        entries = list(rows_with_pictures(folder, self.file, [self.image], self._columns))
        names = self._names(folder, entries) if self.label else None
        found = BoxRows()
        for number, (where, entry) in enumerate(entries):
            found.add(where, self._row(folder, number, where, entry, names))
        if names is not None:
            check_labels([row.label or 0 for row in found.rows], names, [row.id for row in found.rows])
        return found.dataset(names, where=inside(folder, self.file))

    @property
    def _columns(self) -> list[str]:
        boxes = [self.box] if isinstance(self.box, str) else self.box
        others = (self.box_id, self.label, self.true, self.false)
        return [*boxes, *self.size, *self.groups, *filter(None, others)]

    def _names(self, folder: Path, entries: Sequence[Row]) -> list[str]:
        """Return the class names from the file in ``classes``, or those in the label column."""
        if self.classes:
            return read_names(inside(folder, self.classes))
        names = class_names_in(label_text(where, value_of(where, entry, self.label)) for where, entry in entries)
        if names is None and entries:
            raise TaskError(
                f"{self.file}: column {self.label!r} holds numbers: name a file of class names in `classes`."
            )
        return names or []

    def _row(self, folder: Path, number: int, where: str, entry: dict[str, Any], names: list[str] | None) -> BoxRow:
        ((source, path),) = PictureColumns([self.image], self.images, self.prefix).of(folder, where, entry)
        id = path if isinstance(source, ParquetImage) else str(entry[self.image]).removeprefix(self.prefix)
        return BoxRow(
            image=ImageSample(id, source, path),
            size=self._size(where, entry),
            id=text_in(where, entry, self.box_id) if self.box_id else f"{id}#{number}",
            corners=corners_of(where, self._box(where, entry), self.format),
            label=index_of(where, value_of(where, entry, self.label), names) if self.label else None,
            candidates=self._candidates(where, entry) if self.true else (),
            groups=[plain_name(where, column, text_in(where, entry, column)) for column in self.groups],
        )

    def _size(self, where: str, entry: dict[str, Any]) -> Size:
        if not self.size:
            return 0, 0
        width, height = (text_in(where, entry, column) for column in self.size)
        if not all(re.fullmatch("[0-9]{1,7}", side) and 0 < int(side) <= MOST_PIXELS for side in (width, height)):
            raise TaskError(f"{where}: {width[:20]!r} x {height[:20]!r} is not the size of a picture in pixels.")
        return int(width), int(height)

    def _box(self, where: str, entry: dict[str, Any]) -> Sequence[Any]:
        if not isinstance(self.box, str):
            return [raw_value(where, entry, column) for column in self.box]
        value = raw_value(where, entry, self.box)
        if not isinstance(value, list):
            raise TaskError(f"{where}: {self.box!r} should be a list of four numbers, but is {str(value)[:40]!r}.")
        return value

    def _candidates(self, where: str, entry: dict[str, Any]) -> list[str]:
        true, false = texts_in(where, entry, self.true), texts_in(where, entry, self.false)
        if len(true) != 1:
            raise TaskError(f"{where}: {self.true!r} should hold one text, but holds {len(true)}.")
        if not false:
            raise TaskError(f"{where}: {self.false!r} holds no text: there is nothing to choose from.")
        return [*true, *false]

"""Pairs of images that were judged to be alike: a gallery, and a table with one pair per row (CxC's image pairs)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from goldieval.core.errors import TaskError
from goldieval.data.coco_file import read_coco
from goldieval.data.item_values import has_at_least
from goldieval.data.named_pictures import named_picture
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset
from goldieval.data.source import Source, read_lines
from goldieval.data.table_files import read_table, text_in

Two = Annotated[list[str], Field(min_length=2, max_length=2)]


class ImagePairsSource(Source):
    """Judged pairs of images as a card's source. Each of a pair should retrieve the other.

    Attributes:
        gallery: File with the images, one name per line, or in COCO's format.
        images: Folder of the images.
        file: Table of pairs.
        pair: Columns of the two images of a pair.
        at_least: Pairs to use: minimum of a number, by column.
    """

    reader: Literal["image-pairs"]
    gallery: str
    images: str = "."
    file: str
    pair: Two = ["image1", "image2"]
    at_least: dict[str, float] = {}

    def needs(self) -> list[str]:
        return [self.gallery, self.images, self.file]

    def read(self, folder: Path) -> Dataset:
        gallery, top = inside(folder, self.gallery), inside(folder, self.images)
        names = _names(gallery)
        images = [named_picture(str(gallery), top, self.images, name, "image") for name in names]
        row_of = {name: row for row, name in enumerate(names)}
        pairs: set[tuple[int, int]] = set()
        for where, entry in read_table(inside(folder, self.file)):
            two = [text_in(where, entry, column) for column in self.pair]
            if unknown := [name for name in two if name not in row_of]:
                raise TaskError(f"{where}: {unknown[0][:60]!r} is not in {self.gallery}.")
            if two[0] != two[1] and has_at_least(where, entry, self.at_least):
                first, second = (row_of[name] for name in two)
                pairs |= {(first, second), (second, first)}
        return Dataset(images, alike=np.asarray(sorted(pairs), dtype=np.int64).reshape(-1, 2))


def _names(file: Path) -> list[str]:
    if file.suffix.lower() != ".json":
        return read_lines(file)
    return [str(image["file_name"]) for image in read_coco(file).images]

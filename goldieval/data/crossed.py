"""Two images and two captions with the same words, each caption true of one image: Winoground's examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from goldieval.core.errors import TaskError
from goldieval.data.item_values import stratum_name
from goldieval.data.picture_rows import PictureColumns, is_parquet, missing_files, rows_with_pictures
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.source import Source
from goldieval.data.table_files import text_in

# Queries of one example as (true image, true text), (other image, other text): first each image, then each text.
QUERIES = (((0, 0), (0, 1)), ((1, 1), (1, 0)), ((0, 0), (1, 0)), ((1, 1), (0, 1)))
Two = Annotated[list[str], Field(min_length=2, max_length=2)]


class CrossedSource(Source):
    """Pairs of images and captions as a card's source, one row per example.

    Attributes:
        file: Table with one row per example, or a glob pattern of Parquet files, which may contain the images.
        images: Folder of the images; if empty, their names are relative to the data's folder.
        example: Column of the example's id; if empty, examples are numbered from 0.
        pair: Columns of the two images.
        captions: Columns of the two captions, in matching order.
        picture: File name pattern in ``images``, with ``{}`` for the value of the column.
        prefix: Leading part of the image names to remove, such as an address.
        strata: Columns whose values, joined by ``_``, name the stratum of an example.
    """

    reader: Literal["crossed"]
    file: str
    images: str = ""
    example: str = "id"
    pair: Two = ["image_0", "image_1"]
    captions: Two = ["caption_0", "caption_1"]
    picture: str = "{}"
    prefix: str = ""
    strata: list[str] = []

    @property
    def candidates_per_query(self) -> tuple[int, int]:
        return 2, 1

    def needs(self) -> list[str]:
        return [self.images or "."] if is_parquet(self.file) else [self.file, self.images or "."]

    def missing(self, folder: Path) -> list[str]:
        return super().missing(folder) or missing_files(folder, self.file, "source.file")

    def read(self, folder: Path) -> Dataset:
        examples = Examples()
        columns = PictureColumns(self.pair, self.images, self.prefix, self.picture)
        wanted = [*self.captions, *self.strata, *([self.example] if self.example else [])]
        for row, (where, entry) in enumerate(rows_with_pictures(folder, self.file, self.pair, wanted)):
            id = text_in(where, entry, self.example) if self.example else str(row)
            for number, (source, path) in enumerate(columns.of(folder, where, entry)):
                image = ImageSample(f"{id}-{number}", source, path)
                examples.add(image, text_in(where, entry, self.captions[number]))
            examples.strata += [stratum_name(where, entry, *self.strata)] if self.strata else []
        return examples.dataset(inside(folder, self.file))


class Examples:
    """Examples of two images with a caption each, in the order in which they are read.

    Attributes:
        images: The images, two for each example.
        texts: Their captions.
        strata: Stratum of each example, if they have any.
    """

    def __init__(self) -> None:
        self.images: list[ImageSample] = []
        self.texts: list[TextSample] = []
        self.strata: list[str] = []

    def add(self, image: ImageSample, caption: str) -> None:
        """Add the next image with its caption, which gets the same id."""
        self.images.append(image)
        self.texts.append(TextSample(image.id, caption))

    def dataset(self, file: Path) -> Dataset:
        """Return the samples with the four queries of each example. Raises TaskError if there are none."""
        if not self.images:
            raise TaskError(f"{file} holds no examples.")
        count = len(self.images) // 2
        first = 2 * np.arange(count)[:, None, None, None]
        of_query = np.repeat(np.array(self.strata), len(QUERIES))
        return Dataset(
            images=self.images,
            texts=self.texts,
            owner=np.arange(len(self.texts)),
            choices=(first + np.array(QUERIES)).reshape(-1, 2, 2),
            sets=np.repeat(np.arange(count), len(QUERIES)),
            strata={name: of_query == name for name in sorted(set(self.strata))},
        )

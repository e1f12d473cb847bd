"""Two images and two captions with the same words, each caption true of one image: Winoground's examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from goldieval.core.errors import TaskError
from goldieval.data.file_names import picture_file
from goldieval.data.image_source import FileImage
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.source import Source
from goldieval.data.table_files import read_table, text_in

# Queries of one example as (true image, true text), (other image, other text): first each image, then each text.
QUERIES = (((0, 0), (0, 1)), ((1, 1), (1, 0)), ((0, 0), (1, 0)), ((1, 1), (0, 1)))
Two = Annotated[list[str], Field(min_length=2, max_length=2)]


class CrossedSource(Source):
    """Pairs of images and captions as a card's source, one row per example.

    Attributes:
        file: Table with one row per example.
        images: Folder of the images.
        example: Column of the example's id.
        pair: Columns of the two images.
        captions: Columns of the two captions, in matching order.
        picture: File name pattern in ``images``, with ``{}`` for the value of the column.
    """

    reader: Literal["crossed"]
    file: str
    images: str
    example: str = "id"
    pair: Two = ["image_0", "image_1"]
    captions: Two = ["caption_0", "caption_1"]
    picture: str = "{}"

    def needs(self) -> list[str]:
        return [self.file, self.images]

    def read(self, folder: Path) -> Dataset:
        images: list[ImageSample] = []
        texts: list[TextSample] = []
        top = inside(folder, self.images)
        for where, entry in read_table(inside(folder, self.file)):
            id = text_in(where, entry, self.example)
            for number, (picture, caption) in enumerate(zip(self.pair, self.captions, strict=True)):
                name = self.picture.replace("{}", text_in(where, entry, picture))
                images.append(
                    ImageSample(
                        f"{id}-{number}", FileImage(picture_file(where, top, name, picture)), f"{self.images}/{name}"
                    )
                )
                texts.append(TextSample(f"{id}-{number}", text_in(where, entry, caption)))
        if not images:
            raise TaskError(f"{inside(folder, self.file)} holds no examples.")
        examples = len(images) // 2
        first = 2 * np.arange(examples)[:, None, None, None]
        return Dataset(
            images=images,
            texts=texts,
            owner=np.arange(len(texts)),
            choices=(first + np.array(QUERIES)).reshape(-1, 2, 2),
            sets=np.repeat(np.arange(examples), len(QUERIES)),
        )

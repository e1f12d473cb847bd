"""A true caption and a false one: SugarCrepe's files, one JSON mapping of items per type of falsehood."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from goldieval.core.errors import TaskError
from goldieval.data.file_names import file_name, relative_name
from goldieval.data.image_source import FileImage
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.source import Source
from goldieval.data.table_files import read_json_file, text_in


class ContrastSource(Source):
    """Pairs of a true and a false caption as a card's source.

    An item maps ``image`` (file name below ``images``), ``true`` and ``false`` (captions).

    Attributes:
        annotations: Folder of the JSON files.
        files: JSON files in that folder; each is a group of queries, named by its stem.
        images: Folder of the images.
        image: Key of the image's file name.
        true: Key of the true caption.
        false: Key of the false caption.
    """

    reader: Literal["contrast"]
    annotations: str = "."
    files: Annotated[list[str], Field(min_length=1)]
    images: str
    image: str = "filename"
    true: str = "caption"
    false: str = "negative_caption"

    def needs(self) -> list[str]:
        return [*(f"{self.annotations}/{name}" for name in self.files), self.images]

    def read(self, folder: Path) -> Dataset:
        images: dict[str, int] = {}
        texts: list[TextSample] = []
        owner: list[int] = []
        groups: list[str] = []
        for name in self.files:
            file = inside(folder, f"{self.annotations}/{name}")
            items = read_json_file(file)
            if not isinstance(items, dict):
                raise TaskError(f"{file} should map item numbers to items.")
            for key, item in items.items():
                where = f"{file}: item {key}"
                if not isinstance(item, dict):
                    raise TaskError(f"{where} should map {self.image}, {self.true} and {self.false}.")
                row = images.setdefault(file_name(where, item.get(self.image), self.image), len(images))
                captions = [text_in(where, item, side) for side in (self.true, self.false)]
                stem = Path(name).stem
                texts += [TextSample(f"{stem}-{key}-{number}", text) for number, text in enumerate(captions)]
                owner += [row, row]
                groups.append(stem)
        if not groups:
            raise TaskError(f"{folder}: no items in {', '.join(self.files)}.")
        pairs = np.stack([np.array(owner), np.arange(len(texts))], axis=1)
        top, kinds = inside(folder, self.images), np.array(groups)
        return Dataset(
            images=[
                ImageSample(name, FileImage(inside(top, relative_name(top, name))), f"{self.images}/{name}")
                for name in images
            ],
            texts=texts,
            owner=np.array(owner),
            choices=pairs.reshape(len(groups), 2, 2),
            strata={Path(name).stem: kinds == Path(name).stem for name in self.files},
        )

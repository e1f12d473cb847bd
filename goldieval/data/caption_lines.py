"""Lines ``NAME.jpg,CAPTION`` as clip-benchmark reads Flickr8k and Flickr30k: what follows the first comma is text.

A caption may contain commas and quotes, which mean nothing, so that such a file is not CSV.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from goldieval.core.errors import TaskError
from goldieval.data.caption_rules import CaptionedSource
from goldieval.data.named_pictures import named_picture
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset
from goldieval.data.text_files import read_text_file

LINE = re.compile(r"(?P<image>.+?\.(?:jpg|jpeg|png)),(?P<caption>.+)", re.IGNORECASE)


class CaptionLinesSource(CaptionedSource):
    """A file of lines with image and caption as a card's source.

    Attributes:
        file: The file; its first line may name the columns.
        images: Folder of the images.
    """

    reader: Literal["caption-lines"]
    file: str
    images: str = "."

    def needs(self) -> list[str]:
        return [self.file, self.images]

    def read(self, folder: Path) -> Dataset:
        file, top = inside(folder, self.file), inside(folder, self.images)
        captions: dict[str, list[str]] = {}
        first_line: dict[str, int] = {}
        for number, line in enumerate(read_text_file(file).split("\n"), start=1):
            found = LINE.fullmatch(line.strip())
            if found is None and line.strip() and number > 1:
                raise TaskError(f"{file}:{number}: expected the name of an image, a comma and a caption.")
            if found is not None:
                captions.setdefault(found["image"], []).append(found["caption"].strip())
                first_line.setdefault(found["image"], number)
        if not captions:
            raise TaskError(f"{file} holds no line with the name of an image, a comma and a caption.")
        rows = []
        for image, texts in captions.items():
            sample = named_picture(f"{file}:{first_line[image]}", top, self.images, image, "image")
            rows.append(AnnotatedImage(sample, captions=[(f"{image}#{n}", text) for n, text in enumerate(texts)]))
        return self.dataset(rows)

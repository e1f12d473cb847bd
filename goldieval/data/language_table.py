"""A table with one row per image and a column of captions for each language, such as Crossmodal-3600's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from goldieval.core.errors import TaskError
from goldieval.data.by_language import dataset_by_language
from goldieval.data.file_names import file_name, picture_file, relative_name
from goldieval.data.image_source import FileImage
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.source import Source
from goldieval.data.table_files import read_table, texts_in, value_of

Code = Annotated[str, Field(pattern="^[a-z]{2,3}(_[a-z]+)?$")]


class LanguageTableSource(Source):
    """A table of captions by language as a card's source.

    Attributes:
        file: The table.
        image: Column of the image's name.
        images: Folder of the images.
        picture: File name pattern in ``images``, with ``{}`` for the image column.
        languages: Languages to read.
        caption: Column of the caption, or list of captions, with ``{}`` for the language.
        first: Number of captions to keep of each image and language; all by default.
    """

    reader: Literal["language-table"]
    file: str
    image: str = "image"
    images: str = "."
    picture: str = "{}"
    languages: Annotated[list[Code], Field(min_length=1)]
    caption: str = "{}"
    first: Annotated[int, Field(ge=1)] | None = None

    @field_validator("picture", "caption")
    @classmethod
    def _has_one_place(cls, pattern: str) -> str:
        if pattern.count("{}") != 1:
            raise ValueError(f"{pattern!r} needs one {{}}")
        return pattern

    def needs(self) -> list[str]:
        return [self.file, self.images]

    def read(self, folder: Path) -> Dataset:
        top = inside(folder, self.images)
        images: list[ImageSample] = []
        captions: dict[str, list[list[str]]] = {language: [] for language in self.languages}
        for where, entry in read_table(inside(folder, self.file)):
            id = file_name(where, value_of(where, entry, self.image), self.image)
            name = relative_name(top, self.picture.replace("{}", id))
            images.append(ImageSample(id, FileImage(picture_file(where, top, name, self.image)), name))
            for language, of_images in captions.items():
                of_images.append(texts_in(where, entry, self.caption.replace("{}", language))[: self.first])
        if not images:
            raise TaskError(f"{inside(folder, self.file)} holds no rows.")
        return dataset_by_language(images, captions)

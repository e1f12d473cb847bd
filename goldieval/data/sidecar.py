"""One caption file a picture: texts beside pictures of the same name, or JSON files that name their picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from goldieval.data.folder import PICTURES
from goldieval.data.paths import inside
from goldieval.data.rows import read_json, value_of
from goldieval.data.samples import Dataset, FileImage, ImageSample, Row, dataset_of
from goldieval.data.source import Source
from goldieval.errors import TaskError, listing


class SidecarSource(Source):
    """``captions`` is the folder of caption files, ``images`` that of the pictures.

    format: ``txt``, a file is one caption and its picture has the same stem; ``json``, a file is a mapping.
    image, caption: of a JSON file, the key of the picture's file name, and the keys of its captions, in order.
    listed: JSON file with lists of caption files.   lists: which of them to take; without it every file in the folder.
    """

    reader: Literal["sidecar"]
    captions: str
    images: str
    format: Literal["txt", "json"] = "txt"
    image: str = "image"
    caption: Annotated[list[str], Field(min_length=1)] = ["caption"]
    listed: str = ""
    lists: list[str] = []

    def needs(self) -> list[str]:
        return [self.captions, self.images, *([self.listed] if self.listed else [])]

    def read(self, folder: Path) -> Dataset:
        captions, images = inside(folder, self.captions), inside(folder, self.images)
        files = [inside(captions, name) for name in self._files(folder, captions)]
        if not files:
            raise TaskError(f"{captions} holds no .{self.format} file.")
        pictures = {file.stem: file.name for file in images.iterdir() if file.suffix.lower() in PICTURES}
        found = [self._of_text(file, pictures) if self.format == "txt" else self._of_json(file) for file in files]
        return dataset_of(
            [
                Row(ImageSample(name, FileImage(inside(images, name)), f"{self.images}/{name}"), captions=said)
                for name, said in found
            ]
        )

    def _files(self, folder: Path, captions: Path) -> list[str]:
        if not self.listed:
            return sorted(file.name for file in captions.glob(f"*.{self.format}"))
        file = inside(folder, self.listed)
        lists = read_json(file)
        if not isinstance(lists, dict) or (lacking := [name for name in self.lists if name not in lists]):
            raise TaskError(f"{file} has no list {listing(lacking) if isinstance(lists, dict) else self.lists}.")
        return [str(name) for key in self.lists for name in lists[key]]

    def _of_text(self, file: Path, pictures: dict[str, str]) -> tuple[str, list[tuple[str, str]]]:
        """Return the picture's name and its one caption. A picture that is not there gets the likeliest name."""
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TaskError(f"cannot read {file}: {error}") from error
        name = pictures.get(file.stem, f"{file.stem}.jpg")
        return name, [(f"{name}#0", text)]

    def _of_json(self, file: Path) -> tuple[str, list[tuple[str, str]]]:
        entry: Any = read_json(file)
        if not isinstance(entry, dict):
            raise TaskError(f"{file} should hold a mapping with {self.image!r} and {', '.join(self.caption)}.")
        name = str(value_of(str(file), entry, self.image))
        texts = [str(value_of(str(file), entry, key)) for key in self.caption]
        said = [(f"{name}#{number}", text) for number, text in enumerate(texts) if text.strip()]
        if not said:
            raise TaskError(f"{file}: {' and '.join(self.caption)} are empty.")
        return name, said

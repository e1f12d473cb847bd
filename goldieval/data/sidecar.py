"""One caption file per image: text files beside images of the same name, or JSON files that name their image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from goldieval.core.errors import TaskError, listing
from goldieval.data.file_names import picture_file
from goldieval.data.image_source import FileImage
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.data.source import Source
from goldieval.data.table_files import empty, is_missing, raw_value, read_json_file, text_in
from goldieval.data.text_files import read_text_file
from goldieval.data.walk import (
    HIDDEN,
    LINK,
    OTHER,
    LeftOut,
    ending_of,
    is_leftover,
    is_picture,
    leads_out,
    left_out_notes,
)


class SidecarSource(Source):
    """Caption files as a card's source.

    Attributes:
        captions: Folder of the caption files.
        images: Folder of the images.
        format: ``txt``: a file is one caption, and its image has the same stem; ``json``: a file is a mapping.
        image: For JSON, the key of the image's file name.
        caption: For JSON, the keys of the captions, in order.
        listed: JSON file with lists of caption files.
        lists: Lists to use; without ``listed``, all files in the folder are used.
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
        left_out: LeftOut = LeftOut()
        pictures = _pictures(folder, images, left_out, f".{self.format}" if images == captions else "")
        found = [self._of_text(file, pictures) if self.format == "txt" else self._of_json(file) for file in files]
        rows = [
            AnnotatedImage(
                ImageSample(name, FileImage(picture_file(where, images, name, self.image)), f"{self.images}/{name}"),
                captions=captions,
            )
            for where, name, captions in found
        ]
        spare = {name for names in pictures.values() for name in names} - {name for _, name, _ in found}
        notes = [f"{len(spare):,} pictures without a caption file: {listing(sorted(spare))}"] if spare else []
        return dataset_of(rows, notes=[*(notes if not self.listed else []), *left_out_notes(left_out)])

    def _files(self, folder: Path, captions: Path) -> list[str]:
        if not self.listed:
            there = (file.name for file in captions.glob(f"*.{self.format}"))
            return sorted(name for name in there if not is_leftover(name))
        file = inside(folder, self.listed)
        lists = read_json_file(file)
        if not isinstance(lists, dict) or (lacking := [name for name in self.lists if name not in lists]):
            raise TaskError(f"{file} has no list {listing(lacking) if isinstance(lists, dict) else self.lists}.")
        return [str(name) for key in self.lists for name in lists[key]]

    def _of_text(self, file: Path, pictures: dict[str, list[str]]) -> tuple[str, str, list[tuple[str, str]]]:
        """Return file, image name and its one caption. For a missing image the most likely name is returned."""
        text = read_text_file(file)
        if is_missing(text):
            marker = f" ({text.strip()} stands for no value)" if text.strip() else ""
            raise TaskError(f"{file} is an empty caption{marker}. Fill it in, or remove the file.")
        name, *others = pictures.get(file.stem, [f"{file.stem}.jpg"])
        if others:
            raise TaskError(f"{file} matches {listing([name, *others])}. Keep one of these images.")
        return str(file), name, [(f"{name}#0", text)]

    def _of_json(self, file: Path) -> tuple[str, str, list[tuple[str, str]]]:
        entry: Any = read_json_file(file)
        if not isinstance(entry, dict):
            raise TaskError(f"{file} should hold a mapping with {self.image!r} and {', '.join(self.caption)}.")
        name = text_in(str(file), entry, self.image)
        texts = [self._text(str(file), entry, key) for key in self.caption]
        captions = [(f"{name}#{number}", text) for number, text in enumerate(texts) if text.strip()]
        if not captions:
            raise TaskError(f"{file}: {empty(' and '.join(self.caption), None)}")
        return str(file), name, captions

    def _text(self, where: str, entry: dict[str, Any], key: str) -> str:
        """Return a text, which may be empty. Raises TaskError if it is null or the key is missing."""
        value = raw_value(where, entry, key)
        return "" if isinstance(value, str) and is_missing(value, ()) else text_in(where, entry, key)


def _pictures(folder: Path, images: Path, left_out: LeftOut, captions: str) -> dict[str, list[str]]:
    """Return the images of a folder by stem.

    Args:
        folder: Folder of the data.
        images: Folder of the images.
        left_out: Counts the files that are not used.
        captions: Ending of caption files in the same folder, or empty.
    """
    found: dict[str, list[str]] = {}
    for file in sorted(images.iterdir()):
        reason = HIDDEN if is_leftover(file.name) else LINK if leads_out(folder, file) else ""
        if not reason and is_picture(file.name):
            found.setdefault(file.stem, []).append(file.name)
        elif reason or file.suffix != captions:
            left_out[ending_of(file), reason or OTHER] += 1
    return found

"""One caption file a picture: texts beside pictures of the same name, or JSON files that name their picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from goldieval.core.errors import TaskError, listing
from goldieval.data.file_names import picture_file
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, FileImage, ImageSample, dataset_of
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
        """Return file, picture's name and its one caption. A picture that is not there gets the likeliest name."""
        text = read_text_file(file)
        if is_missing(text):
            said = f" ({text.strip()} stands for no value)" if text.strip() else ""
            raise TaskError(f"{file} is an empty caption{said}. Write what it should say, or take the file out.")
        name, *others = pictures.get(file.stem, [f"{file.stem}.jpg"])
        if others:
            raise TaskError(f"{file} could be of {listing([name, *others])}. Leave one of these pictures.")
        return str(file), name, [(f"{name}#0", text)]

    def _of_json(self, file: Path) -> tuple[str, str, list[tuple[str, str]]]:
        entry: Any = read_json_file(file)
        if not isinstance(entry, dict):
            raise TaskError(f"{file} should hold a mapping with {self.image!r} and {', '.join(self.caption)}.")
        name = text_in(str(file), entry, self.image)
        texts = [self._text(str(file), entry, key) for key in self.caption]
        said = [(f"{name}#{number}", text) for number, text in enumerate(texts) if text.strip()]
        if not said:
            raise TaskError(f"{file}: {empty(' and '.join(self.caption), None)}")
        return str(file), name, said

    def _text(self, where: str, entry: dict[str, Any], key: str) -> str:
        """Return a text; an empty one does not count. Raises TaskError for null, and where there is no such key."""
        value = raw_value(where, entry, key)
        return "" if isinstance(value, str) and is_missing(value, ()) else text_in(where, entry, key)


def _pictures(folder: Path, images: Path, left_out: LeftOut, captions: str) -> dict[str, list[str]]:
    """Return the pictures of a folder by stem. captions: ending of the caption files that lie among them, if any do."""
    found: dict[str, list[str]] = {}
    for file in sorted(images.iterdir()):
        reason = HIDDEN if is_leftover(file.name) else LINK if leads_out(folder, file) else ""
        if not reason and is_picture(file.name):
            found.setdefault(file.stem, []).append(file.name)
        elif reason or file.suffix != captions:
            left_out[ending_of(file), reason or OTHER] += 1
    return found

"""Text files whose lines belong together: line n of every caption file describes the image on line n of a list."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from goldieval.core.errors import TaskError
from goldieval.core.limits import TEXT_BYTES
from goldieval.core.reading import check_regular
from goldieval.data.by_language import dataset_by_language
from goldieval.data.language_table import Code
from goldieval.data.named_pictures import named_picture
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset
from goldieval.data.source import Source
from goldieval.data.text_files import read_text_file, text_of


class ParallelLinesSource(Source):
    """Files of captions, one per line, as a card's source (Multi30k, XTD10).

    Attributes:
        listed: File with the name of an image on each line.
        images: Folder of the images.
        captions: Caption files by language, each with one line per image; may be packed as ``.gz``.
    """

    reader: Literal["parallel-lines"]
    listed: str
    images: str
    captions: Annotated[dict[Code, Annotated[list[str], Field(min_length=1)]], Field(min_length=1)]

    def needs(self) -> list[str]:
        return [self.listed, self.images, *(file for files in self.captions.values() for file in files)]

    def read(self, folder: Path) -> Dataset:
        listed, top = inside(folder, self.listed), inside(folder, self.images)
        images = [
            named_picture(f"{listed}:{number}", top, self.images, line, "image")
            for number, line in enumerate(_lines(listed), start=1)
        ]
        captions = {
            language: list(
                zip(*(_as_many(inside(folder, file), len(images), self.listed) for file in files), strict=True)
            )
            for language, files in self.captions.items()
        }
        return dataset_by_language(images, captions)


def _as_many(file: Path, count: int, listed: str) -> list[str]:
    """Return the lines of a file. Raises TaskError if there are not ``count``."""
    lines = _lines(file)
    if len(lines) != count:
        raise TaskError(f"{file} has {len(lines):,} lines, but {listed} {count:,}: they must belong together.")
    return lines


def _lines(file: Path) -> list[str]:
    """Return the stripped lines of a file, unpacked if it is a ``.gz``.

    Raises:
        TaskError: The file cannot be read, or a line is empty, so that it belongs to nothing.
    """
    text = _unpacked(file) if file.suffix == ".gz" else read_text_file(file)
    lines = [line.strip() for line in text.rstrip("\n").split("\n")]
    if "" in lines:
        raise TaskError(f"{file}:{lines.index('') + 1}: an empty line. Every line must belong to an image.")
    return lines


def _unpacked(file: Path) -> str:
    try:
        check_regular(file)
        with gzip.open(file) as stream:
            data = stream.read(TEXT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"cannot unpack {file}: {getattr(error, 'strerror', None) or error}.") from None
    if len(data) > TEXT_BYTES:
        raise TaskError(f"{file} unpacks to more than {TEXT_BYTES:,} bytes.")
    return text_of(data, str(file))

"""A text file with one image per line; the class is in the line, the image's folder, or its name."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from goldieval.core.errors import TaskError
from goldieval.data.file_names import picture_file, relative_name
from goldieval.data.image_source import FileImage
from goldieval.data.labels import NUMBER, index_of
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.data.source import Source, read_names
from goldieval.data.text_files import read_text_file

COMMENT = "#"
IMAGE_NUMBER = re.compile(r"[_-]?\d+$")  # Abyssinian_201


class ListSource(Source):
    """A list of images as a card's source: the lists of Food-101, DTD, Oxford-IIIT Pet, FGVC-Aircraft and others.

    Attributes:
        file: The list; empty lines and lines that begin with ``#`` are skipped.
        images: Folder that its names are relative to.
        ending: File extension, if its names have none.
        separator: What separates columns; by default white space.
        label: Column of the class, from 1 on after the name; ``folder``, the folder of the image; or ``name``, the
            name of the image without its number. If white space separates columns, a class is the rest of the line,
            unless that is several numbers.
        classes: File with class names in label order; by default the classes that occur, sorted.
    """

    reader: Literal["list"]
    file: str
    images: str = "."
    ending: str = ""
    separator: Annotated[str, Field(max_length=1)] = ""
    label: Annotated[int, Field(ge=1, le=100)] | Literal["folder", "name"] = "folder"
    classes: str = ""

    def needs(self) -> list[str]:
        return [self.file, self.images, *([self.classes] if self.classes else [])]

    def read(self, folder: Path) -> Dataset:
        top, lines = inside(folder, self.images), self.lines(folder)
        found = [(where, self.name_of(line), self.label_of(where, line)) for where, line in lines]
        names = (
            read_names(inside(folder, self.classes))
            if self.classes
            else sorted_classes({label for _, _, label in found})
        )
        rows = []
        for where, name, label in found:
            file = picture_file(where, top, name, "image")
            image = ImageSample(name, FileImage(file), f"{self.images}/{relative_name(top, name)}".removeprefix("./"))
            rows.append(AnnotatedImage(image, index_of(where, label, names)))
        return dataset_of(rows, names)

    def lines(self, folder: Path) -> list[tuple[str, str]]:
        """Return the lines that name images, each with its location for error messages."""
        file = inside(folder, self.file)
        lines = enumerate(read_text_file(file).splitlines(), start=1)
        return [(f"{file}:{number}", line.strip()) for number, line in lines if line.strip() and line[0] != COMMENT]

    def name_of(self, line: str) -> str:
        """Return the path of the image in a line; a leading slash means the folder of the images."""
        return f"{self._columns(line, 1)[0].strip().removeprefix('/')}{self.ending}"

    def label_of(self, where: str, line: str) -> str:
        """Return the class in a line. Raises TaskError if it has none."""
        path = PurePosixPath(self.name_of(line))
        if self.label == "folder":
            label = path.parent.as_posix()
        elif self.label == "name":
            label = IMAGE_NUMBER.sub("", path.stem)
        else:
            columns = self._columns(line, self.label if not self.separator else -1)
            label = columns[self.label].strip() if len(columns) > self.label else ""
        if not label or label == ".":
            raise TaskError(f"{where}: no class in {line[:60]!r} (source.label is {self.label!r}).")
        return label

    def _columns(self, line: str, most: int) -> list[str]:
        columns = line.split(self.separator or None, most)
        each = line.split()
        return each if not self.separator and all(NUMBER.fullmatch(column) for column in each[1:]) else columns


def sorted_classes(labels: set[str]) -> list[str]:
    """Return class names in alphabetical order, or numbers in numerical order.

    >>> sorted_classes({"10", "9"}), sorted_classes({"dog", "cat"})
    (['9', '10'], ['cat', 'dog'])
    """
    if all(NUMBER.fullmatch(label) for label in labels):
        return sorted(labels, key=lambda label: int(label.partition(".")[0]))
    return sorted(labels)

"""Class folders: ``<folder>/<class>/<picture>``, the layout of torchvision's ImageFolder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from goldieval.data.paths import inside
from goldieval.data.samples import Dataset, FileImage, ImageSample, Row, dataset_of
from goldieval.data.source import Source, read_lines
from goldieval.errors import TaskError, listing

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"})


class FolderSource(Source):
    """``folder_name`` holds one folder a class; ``classes`` is a file with the folder names in label order.

    exclude: folders that are no class.
    """

    reader: Literal["folder"]
    folder_name: str = "."
    classes: str = ""
    exclude: list[str] = []

    def needs(self) -> list[str]:
        return [self.folder_name, *([self.classes] if self.classes else [])]

    def read(self, folder: Path) -> Dataset:
        top = inside(folder, self.folder_name)
        present = sorted(entry.name for entry in top.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        present = [name for name in present if name not in self.exclude]
        names = read_lines(inside(folder, self.classes)) if self.classes else present
        unknown = sorted(set(present) - set(names))
        if unknown:
            raise TaskError(f"{top}: folders that {self.classes} does not name: {listing(unknown)}.")
        rows = [
            Row(ImageSample(path, FileImage(inside(folder, path)), path), label)
            for label, name in enumerate(names)
            for path in _pictures(folder, inside(top, name))
        ]
        return dataset_of(rows, names)


def _pictures(folder: Path, class_folder: Path) -> list[str]:
    found = (file for file in class_folder.rglob("*") if file.suffix.lower() in PICTURES and file.name[0] != ".")
    return sorted(file.relative_to(folder).as_posix() for file in found)

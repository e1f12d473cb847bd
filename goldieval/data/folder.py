"""Class folders: ``<folder>/<class>/<picture>``, the layout of torchvision's ImageFolder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from goldieval.core.errors import TaskError, listing
from goldieval.data.file_names import escape_undecodable
from goldieval.data.image_source import FileImage
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.data.source import Source, read_names
from goldieval.data.walk import (
    HIDDEN,
    LINK,
    PICTURES,
    LeftOut,
    ending_of,
    files_below,
    is_leftover,
    is_picture,
    leads_out,
    left_out_notes,
)

__all__ = ["PICTURES", "FolderSource"]


class FolderSource(Source):
    """Class folders as a card's source.

    Attributes:
        folder_name: Folder with one folder per class.
        classes: File with the folder names in label order.
        exclude: Folders that are not classes.
        nested: Whether classes are the folders at any depth that hold images, named by their paths.
    """

    reader: Literal["folder"]
    folder_name: str = "."
    classes: str = ""
    exclude: list[str] = []
    nested: bool = False

    def needs(self) -> list[str]:
        return [self.folder_name, *([self.classes] if self.classes else [])]

    def read(self, folder: Path) -> Dataset:
        top = inside(folder, self.folder_name)
        if not top.is_dir():
            raise TaskError(f"{top} is not a folder.")
        left_out: LeftOut = LeftOut()
        folders = _nested_folders(folder, top) if self.nested else _class_folders(folder, top, left_out)
        present = [name for name in folders if name not in self.exclude]
        names = read_names(inside(folder, self.classes)) if self.classes else present
        unknown = sorted(set(present) - set(names))
        if unknown:
            raise TaskError(
                f"{top}: folders that {self.classes} does not name: {listing(map(escape_undecodable, unknown))}."
            )
        _check_class_names(top, names)
        found = {name: _pictures(folder, inside(top, name), left_out, self.nested) for name in names}
        rows = [
            AnnotatedImage(ImageSample(path, FileImage(inside(folder, path)), path), label)
            for label, name in enumerate(names)
            for path in found[name]
        ]
        empty = [name for name in names if not found[name]]
        notes = [f"{len(empty):,} classes without a picture: {listing(empty)}"] if empty else []
        return dataset_of(rows, names, [*notes, *left_out_notes(left_out)])


def _class_folders(folder: Path, top: Path, left_out: LeftOut) -> list[str]:
    """Return the class folders; count system folders, links that point outside, and images that are in no class."""
    found = []
    for entry in sorted(top.iterdir()):
        if entry.is_dir():
            reason = HIDDEN if is_leftover(entry.name) else LINK if leads_out(folder, entry) else ""
            if not reason:
                found.append(entry.name)
        else:
            reason = "in no class folder" if is_picture(entry.name) else ""
        if reason:
            left_out[ending_of(entry), reason] += 1
    return found


def _nested_folders(folder: Path, top: Path) -> list[str]:
    """Return the paths of the folders that hold images."""
    parents = {name.rpartition("/")[0] for name in files_below(folder, top, LeftOut())}
    return sorted(parents - {""})


def _check_class_names(top: Path, names: list[str]) -> None:
    """Raise TaskError for a folder whose name cannot be used in a prompt."""
    invalid = [escape_undecodable(name) for name in names if escape_undecodable(name) != name]
    if invalid:
        raise TaskError(f"{top}: a folder's name is its class, but {listing(invalid)} is not UTF-8. Rename the folder.")


def _pictures(folder: Path, class_folder: Path, left_out: LeftOut, directly: bool) -> list[str]:
    if not class_folder.is_dir():
        return []
    place = class_folder.relative_to(folder)
    found = files_below(folder, class_folder, left_out)
    return sorted((place / name).as_posix() for name in found if not (directly and "/" in name))

"""Folders below a folder, and the one that contains the images that a file names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from goldieval.data.file_names import relative_name
from goldieval.data.walk import is_leftover

EXTENSIONS = (".jpg", ".png", ".jpeg", ".webp", ".JPEG", ".JPG")
LOOKED_AT = 200  # number of file names that are examined
MOST_WRAPPED = 8  # folders around folders that are looked through
HERE = re.compile(r"(?:\.{1,2}[/\\])+")  # leading part of names relative to the folder of their list


def folders_below(folder: Path, depth: int) -> list[Path]:
    """Return the visible folders below a folder, level by level.

    A folder that holds nothing but one folder, as archives often do, does not count as a level.
    """
    found, level = [], [folder]
    for _ in range(depth):
        level = [below for place in level for below in folders_in(place)]
        found += level
        for _ in range(MOST_WRAPPED):
            inner = [_content_of(place) for place in level]
            if inner == level:
                break
            found += [place for place, outer in zip(inner, level, strict=True) if place != outer]
            level = inner
    return found


def _content_of(place: Path) -> Path:
    """Return the only entry of a folder if that is a folder, else the folder itself."""
    with os.scandir(place) as entries:
        seen = list(islice((entry for entry in entries if not is_leftover(entry.name)), 2))
    only = place / seen[0].name if len(seen) == 1 and seen[0].is_dir() else place
    return place if _leads_up(only) else only


def folders_in(place: Path) -> list[Path]:
    """Return the visible folders in a folder, sorted by name."""
    with os.scandir(place) as entries:
        names = [entry.name for entry in entries if not is_leftover(entry.name) and entry.is_dir()]
    return [entry for name in sorted(names) if not _leads_up(entry := place / name)]


def _leads_up(entry: Path) -> bool:
    """Return whether an entry is a link to one of its parent folders."""
    return entry.is_symlink() and entry.parent.resolve().is_relative_to(entry.resolve())


def picture_root(folder: Path, names: Sequence[str]) -> str | None:
    """Return the nearest subfolder of ``folder`` that contains most of the given files, or None if there is none."""
    some = names[:: max(1, len(names) // LOOKED_AT)]
    best, most = None, 0
    for place in (folder, *folders_below(folder, 2)):
        found = sum(_is_file(place, name) for name in some)
        if found > most:
            best, most = place.relative_to(folder).as_posix(), found
        if most == len(some):
            break
    return best


def _is_file(place: Path, name: str) -> bool:
    """Return whether a name is that of a file, and does not leave the folder by ``..``, which readers refuse."""
    leaves = "\0" in name or os.path.normpath(name).startswith("..")
    return not leaves and os.path.isfile(place / relative_name(place, name))


@dataclass(frozen=True)
class PicturePlace:
    """Where the images of a list of names are.

    Attributes:
        images: Folder, relative to that of the data.
        prefix: Leading part of the names to remove: a folder of another machine, an address, ``./`` or ``../``.
        extension: File extension that the names lack.
    """

    images: str
    prefix: str = ""
    extension: str = ""

    def notes(self) -> list[str]:
        """Return what a user should check."""
        if not self.prefix or HERE.fullmatch(self.prefix):
            return []
        here = "this folder" if self.images == "." else self.images
        return [f"images are named {self.prefix}…, which is not below this folder; they are taken from {here}"]


def picture_place(folder: Path, names: Sequence[str]) -> PicturePlace | None:
    """Return where the named images are below a folder, or None if most of them are not there."""
    root = picture_root(folder, names)
    if root is not None:
        return PicturePlace(root, "./" if all(name.startswith("./") for name in names) else "")
    some = names[:: max(1, len(names) // LOOKED_AT)]
    for place in (folder, *folders_below(folder, 2)):
        prefix = next((found for name in some[:10] if (found := _foreign_part(place, name))), "")
        if prefix and sum(_is_file(place, name.removeprefix(prefix)) for name in some) > 0.5 * len(some):
            return PicturePlace(place.relative_to(folder).as_posix(), prefix)
    return None


def place_without_extension(folder: Path, names: Sequence[str]) -> PicturePlace | None:
    """Return where the images are whose names lack the file extension, or None."""
    for extension in EXTENSIONS:
        root = picture_root(folder, [f"{name}{extension}" for name in names])
        if root is not None:
            return PicturePlace(root, extension=extension)
    return None


def _foreign_part(place: Path, name: str) -> str:
    """Return the shortest leading part of a name, up to a slash, after which it names a file in a folder."""
    up = HERE.match(name) if name.startswith("..") else None
    ends = [up.end()] if up else [found.end() for found in re.finditer(r"[/\\]+", name)]
    return next((name[:end] for end in ends if _is_file(place, name[end:])), "")

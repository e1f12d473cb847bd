"""Folders below a folder, and the one that contains the images that a file names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from goldieval.data.file_names import relative_name
from goldieval.data.walk import is_leftover

LOOKED_AT = 200  # number of file names that are examined


def folders_below(folder: Path, depth: int) -> list[Path]:
    """Return the visible folders below a folder, level by level."""
    found, level = [], [folder]
    for _ in range(depth):
        level = [below for place in level for below in _folders_in(place)]
        found += level
    return found


def _folders_in(place: Path) -> list[Path]:
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
    return "\0" not in name and os.path.isfile(place / relative_name(place, name))

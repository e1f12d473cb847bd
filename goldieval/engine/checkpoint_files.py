"""Checkpoints that appear in a folder: which entries are checkpoints, and whether they are still being written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = (".pt", ".pth", ".pth.tar", ".ckpt", ".bin", ".safetensors")
UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".incomplete", ".download", "~")
SETTLED_S = 10.0  # age of the newest change from which an entry that was there from the start is complete


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file or folder in its present state.

    Attributes:
        path: where it is.
        state: size and time of change of each of its files; it differs as soon as one is written.
        changed: time of the last change, in seconds since the epoch.
    """

    path: Path
    state: tuple[tuple[str, int, int], ...]
    changed: float


def checkpoints_in(folder: Path, pattern: str = "") -> list[Checkpoint]:
    """Return the checkpoints in a folder, oldest first.

    Args:
        folder: the folder.
        pattern: glob relative to it; by default every file with the suffix of weights, and every folder that directly
            contains such a file. Hidden entries, names of unfinished files (such as ``x.pt.tmp``) and links to other
            entries of the folder are never checkpoints.
    """
    found = []
    for path in folder.glob(pattern or "*"):
        named = not path.name.startswith(".") and not path.name.lower().endswith(UNFINISHED)
        if not named or _links_into(path, folder) or not (pattern or _holds_weights(path)):
            continue
        state = tuple(_state(path))
        if state:
            found.append(Checkpoint(path, state, max(changed for _, _, changed in state) / 1e9))
    return sorted(found, key=lambda each: (each.changed, str(each.path)))


def _links_into(path: Path, folder: Path) -> bool:
    """Return whether an entry is a link to another entry of the folder, such as ``latest``."""
    return path.is_symlink() and folder.resolve() in path.resolve().parents


def _holds_weights(path: Path) -> bool:
    if path.name.lower().endswith(WEIGHTS):
        return True
    try:
        return path.is_dir() and any(entry.name.lower().endswith(WEIGHTS) for entry in os.scandir(path))
    except OSError:  # it was removed, or belongs to someone else
        return False


def _state(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, size and time of change of a file, or of each file in a folder."""
    try:
        about = path.stat()
        if stat.S_ISREG(about.st_mode):
            yield "", about.st_size, about.st_mtime_ns
        elif stat.S_ISDIR(about.st_mode):
            for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
                inner = entry.stat()
                yield entry.name, inner.st_size if entry.is_file() else 0, inner.st_mtime_ns
    except OSError:  # an entry was removed while it was read: the next look sees the rest
        return

"""Paths that stay inside their folder: one check for every reader, writer, trainer and card."""

from __future__ import annotations

import os
import reprlib
from functools import lru_cache
from pathlib import Path

from goldieval.core.errors import TaskError
from goldieval.core.ledger import allowed_folders

NAME_BYTES = 255  # maximum length of a path component on common file systems
GIVEN = "GOLDIEVAL_FOLDERS"  # read by ``core.ledger``


class LinkOutError(TaskError):
    """A symbolic link inside a folder points outside it."""


_short = reprlib.Repr()
_short.maxstring = 120


def inside(root: Path, name: str) -> Path:
    """Return ``root/name`` as an absolute path, refusing a name that leaves the folder.

    The name may be absolute if it is below the folder. Links are followed if they end inside the folder, or in a folder
    that the user has allowed: one listed in ``$GOLDIEVAL_FOLDERS``, or linked in by ``goldieval data import``.

    Raises:
        LinkOutError: A link points outside the folder.
        TaskError: The name leaves the folder by ``..`` or as an absolute path, or is not a file name.
    """
    if not isinstance(name, str | os.PathLike) or "\0" in os.fspath(name):
        raise TaskError(f"{_short.repr(name)} is not a file name. Write a path relative to {root}.")
    if any(len(part.encode("utf-8", "surrogatepass")) > NAME_BYTES for part in os.fspath(name).split(os.sep)):
        raise TaskError(f"{_short.repr(os.fspath(name))} is longer than the {NAME_BYTES} bytes of a file name.")
    top = os.path.abspath(root)
    path = os.path.normpath(os.path.join(top, name))
    if not _below(path, top):
        path = _by_another_way(top, path, name)
    end = _real(path)
    if not _below(end, _real(top)) and not any(_below(end, folder) for folder in allowed_folders()):
        raise LinkOutError(
            f"{_short.repr(os.fspath(name))} is a link out of its folder {root}, to {_short.repr(end)}. To allow it, "
            f"add the target's folder to ${GIVEN}."
        )
    return Path(path)


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(top if top.endswith(os.sep) else top + os.sep)


def _by_another_way(top: str, path: str, name: str) -> str:
    """Resolve an absolute name that reaches the folder by another path than the folder's own, through a link."""
    real, end = _real(top), _real(path)
    if not os.path.isabs(name) or not _below(end, real):
        raise TaskError(
            f"file name {_short.repr(os.fspath(name))} would leave its folder {top}. Write it relative to that folder."
        )
    return os.path.normpath(os.path.join(top, os.path.relpath(end, real)))


def _real(path: str) -> str:
    """Return ``os.path.realpath``, at a quarter of its cost if many files are in one folder."""
    parent, name = os.path.split(path)
    try:
        about = os.stat(parent)
    except OSError:
        return os.path.realpath(path)
    if not name or os.path.islink(path):
        return os.path.realpath(path)
    return os.path.join(_real_folder(parent, about.st_dev, about.st_ino, about.st_ctime_ns), name)


@lru_cache(maxsize=4096)
def _real_folder(folder: str, device: int, inode: int, changed: int) -> str:
    """Resolve a folder; the other arguments distinguish it from a folder that replaces it later."""
    return os.path.realpath(folder)

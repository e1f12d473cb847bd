"""Temporary files and folders beside what they will become; those of writers that were killed are found and removed.

A writer holds a lock on what it makes for as long as it lives, so the next one sees whose maker is gone. Where the file
system has no locks, what has not been touched for ``LEFTOVER_S`` counts as left over.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldieval.core.locks import open_for_lock, try_lock, wait_for_lock

SUFFIX = ".goldieval-tmp"
LEFTOVER_S = 3600.0  # no write takes this long


@contextmanager
def temporary_file(target: Path) -> Iterator[tuple[int, Path]]:
    """Make a hidden file beside ``target``, as (descriptor, path); what has not been renamed by the end is removed."""
    while True:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=_prefix(target.name), suffix=SUFFIX)
        wait_for_lock(handle)
        if os.fstat(handle).st_nlink:
            break
        os.close(handle)  # somebody who tidied up came between: it was not locked yet
    path = Path(name)
    try:
        yield handle, path
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """Make a hidden folder in ``parent``; what has not been renamed by the end is removed."""
    while True:
        path = Path(tempfile.mkdtemp(dir=parent, prefix=_prefix(name), suffix=SUFFIX))
        handle = _held_folder(path)
        if path.exists():
            break
        _close(handle)  # see temporary_file
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        _close(handle)


def _held_folder(path: Path) -> int | None:
    try:
        handle = open_for_lock(path)
    except OSError:  # a system that opens no folders, or one that has been removed
        return None
    wait_for_lock(handle)
    return handle


def _close(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


def sweep(*folders: Path) -> None:
    """Remove what writers that are gone have left in these folders; never what a living one is writing."""
    for folder in folders:
        try:
            found = [entry.path for entry in os.scandir(folder) if entry.name.endswith(SUFFIX)]
        except OSError:  # no such folder, or not ours to read
            continue
        for path in found:
            _remove_if_left(Path(path))


def _remove_if_left(path: Path) -> None:
    try:
        handle = open_for_lock(path)
    except OSError:  # gone, or another user's
        return
    try:
        ours = try_lock(handle)
        if ours or (ours is None and time.time() - os.fstat(handle).st_mtime > LEFTOVER_S):
            _remove(path)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # another user's folder


def _prefix(name: str) -> str:
    """Begin with the target's name, cut so that file systems take it: at most 255 bytes with what follows."""
    return f".{name[:40]}."

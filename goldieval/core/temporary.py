"""Temporary files and folders beside their final location; those of writers that were killed are found and removed.

A writer holds a lock on its temporary files while it runs, so others can tell which ones are abandoned. On a file
system without locks, a file that has not been modified for ``LEFTOVER_S`` counts as abandoned. So does one of another
machine, because some network file systems grant the same lock on two machines.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from goldieval.core.locks import open_for_lock, try_lock, wait_for_lock

SUFFIX = ".goldieval-tmp"
LEFTOVER_S = 3600.0  # seconds; no write takes this long
_MACHINE = re.compile(rf"@([0-9a-f]{{8}})\.[^.]*{re.escape(SUFFIX)}$")


@contextmanager
def temporary_file(target: Path) -> Iterator[tuple[int, Path]]:
    """Create a hidden file beside ``target``; yield descriptor and path, and remove it unless it has been renamed."""
    while True:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=_prefix(target.name), suffix=SUFFIX)
        wait_for_lock(handle)
        if os.fstat(handle).st_nlink:
            break
        os.close(handle)  # another process removed the file before it was locked
    path = Path(name)
    try:
        yield handle, path
    finally:
        with suppress(OSError):  # it is swept later
            path.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """Create a hidden folder in ``parent`` and remove it at the end unless it has been renamed."""
    while True:
        path = Path(tempfile.mkdtemp(dir=parent, prefix=_prefix(name), suffix=SUFFIX))
        handle = _held_folder(path)
        if path.exists():
            break
        _close(handle)  # see ``temporary_file``
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        _close(handle)


def _held_folder(path: Path) -> int | None:
    try:
        handle = open_for_lock(path)
    except OSError:  # the system cannot open folders, or the folder has been removed
        return None
    wait_for_lock(handle)
    return handle


def _close(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


def sweep(*folders: Path) -> None:
    """Remove abandoned temporary files from these folders, but none of a writer that is still running."""
    for folder in folders:
        try:
            found = [entry.path for entry in os.scandir(folder) if entry.name.endswith(SUFFIX)]
        except OSError:  # missing, or not readable for us
            continue
        for path in found:
            _remove_if_left(Path(path))


def _remove_if_left(path: Path) -> None:
    try:
        handle = open_for_lock(path)
    except OSError:  # removed already, or owned by another user
        return
    try:
        lock = try_lock(handle)
        is_old = time.time() - os.fstat(handle).st_mtime > LEFTOVER_S
        if lock is not False and (is_old or (lock and _is_of_this_machine(path))):
            _remove(path)
    except OSError:  # removed on another machine in the meantime
        return
    finally:
        os.close(handle)


def _is_of_this_machine(path: Path) -> bool:
    """Return whether a temporary file was made on this machine; its name says on which, except for older versions."""
    made_on = _MACHINE.search(path.name)
    return made_on is None or made_on[1] == _machine()


@cache
def _machine() -> str:
    """Return a short name of this machine since its last start, for the names of temporary files."""
    name = platform.node()
    with suppress(OSError):  # machines of a cluster may all be called localhost
        name += Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # folder of another user


def _prefix(name: str) -> str:
    """Return a prefix from target and machine, shortened so that the whole name stays within 255 bytes."""
    return f".{name[:40]}@{_machine()}."

"""Zip and tar archives: refused as a whole if one member would leave the folder."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO, Any

from goldieval.data.fetch.lockfile import HeldFile
from goldieval.errors import GoldievalError

CHUNK = 2**20


@dataclass(frozen=True)
class _Member:
    name: str
    is_file: bool
    is_folder: bool
    handle: Any


def unpack(archive: Path, to: Path, shown: str) -> dict[str, HeldFile]:
    """Unpack into the new folder ``to``; return its files, by path below it.

    Args:
        shown: the archive's name for error lines.

    Raises:
        GoldievalError: no zip or tar, damaged, a member that is a link or would leave the folder, or a full disk;
            nothing but ``to`` was touched.
    """
    try:
        with _open(archive, shown) as (members, read):
            _check(members, shown)
            to.mkdir(parents=True)
            return {member.name: _extract(read, member, to) for member in members if member.is_file}
    except OSError as error:
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error
        raise GoldievalError(f"cannot unpack {shown}: {why}. Free some space; the same command goes on.") from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise GoldievalError(f"cannot unpack {shown}: {error}. It is damaged, or no plain zip or tar.") from error


def move_in(unpacked: Path, folder: Path) -> None:
    """Rename what was unpacked into the folder: whole folders where that is free, else file by file."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in sorted(unpacked.iterdir()):
        target = folder / entry.name
        if entry.is_dir() and target.is_dir():
            move_in(entry, target)
        else:
            os.replace(entry, target)
    unpacked.rmdir()


@contextmanager
def _open(archive: Path, shown: str) -> Iterator[tuple[list[_Member], Any]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield [_of_zip(about) for about in zipped.infolist()], zipped.open
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tarred:
            yield [_Member(_clean(m.name), m.isfile(), m.isdir(), m) for m in tarred.getmembers()], tarred.extractfile
    else:
        raise GoldievalError(f"{shown} is neither a zip nor a tar. Is it the page of a login, or another file?")


def _of_zip(about: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(about.external_attr >> 16)
    is_file = not about.is_dir() and kind in (0, stat.S_IFREG)
    return _Member(_clean(about.filename), is_file, about.is_dir(), about)


def _clean(name: str) -> str:
    """``./a/b/`` and ``a/b`` are one name; nothing that leads elsewhere is touched."""
    while name.startswith("./"):
        name = name[2:]
    return name.rstrip("/")


def _check(members: list[_Member], shown: str) -> None:
    for member in members:
        windows = PureWindowsPath(member.name)  # its separators and drives, besides those of other systems
        if member.name.startswith("/") or windows.drive or windows.root or ".." in windows.parts:
            raise GoldievalError(f"{shown}: member {member.name!r} would leave the data folder: nothing was unpacked.")
        if not (member.is_file or member.is_folder):
            raise GoldievalError(f"{shown}: member {member.name!r} is a link or a device: nothing was unpacked.")


def _extract(read: Any, member: _Member, to: Path) -> HeldFile:
    target, total, size = to / member.name, hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    source: IO[bytes]
    with read(member.handle) as source, target.open("wb") as stream:
        while chunk := source.read(CHUNK):
            stream.write(chunk)
            total.update(chunk)
            size += len(chunk)
    return HeldFile(bytes=size, sha256=total.hexdigest())


def clear(folder: Path) -> None:
    """Remove a folder that is ours alone; it need not exist."""
    shutil.rmtree(folder, ignore_errors=True)

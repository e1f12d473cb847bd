"""Zip and tar archives: refused completely if any member would leave the folder."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO, Any

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import HEADER_BYTES, MEMBER_BYTES, MEMBERS, UNPACKED_FLOOR, UNPACKED_RATIO
from goldieval.core.tar_files import BoundedStream, open_tar
from goldieval.data.fetch.lockfile import FileHash

CHUNK = HEADER_BYTES
_PACKERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_BROKEN = (
    *(zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(RuntimeError, NotImplementedError, ValueError, OverflowError, MemoryError),
)


def bound(packed: int) -> int:
    """Return the maximum number of bytes that an archive of ``packed`` bytes may unpack to."""
    return UNPACKED_FLOOR + UNPACKED_RATIO * packed


@dataclass(frozen=True)
class _Member:
    name: str
    is_file: bool
    is_folder: bool
    size: int
    handle: Any


def unpack(archive: Path, to: Path, shown: str) -> dict[str, FileHash]:
    """Unpack into the new folder ``to``; return its files, by path below it.

    Args:
        archive: The archive.
        to: Folder that does not exist yet.
        shown: Name of the archive for error messages.

    Raises:
        GoldievalError: It is neither zip nor tar, is damaged, has a member that is a link or would leave the folder,
            unpacks to more than allowed, or the disk is full; only ``to`` was modified.
    """
    try:
        with _open(archive, shown) as (found, read):
            members = _checked(found, archive.stat().st_size, to, shown)
            to.mkdir(parents=True)
            return {member.name: _extract(read, member, to) for member in members if member.is_file}
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, *_BROKEN) as error:
        raise GoldievalError(f"cannot unpack {shown}: {error}. It is damaged, or not a plain zip or tar.") from error
    except OSError as error:
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error
        raise GoldievalError(f"cannot unpack {shown}: {why}. Free some space; the same command resumes.") from error


def move_in(unpacked: Path, folder: Path) -> None:
    """Move unpacked files into the folder: whole folders where possible, otherwise file by file."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in sorted(unpacked.iterdir()):
        target = folder / entry.name
        if entry.is_dir() and target.is_dir():
            move_in(entry, target)
        else:
            os.replace(entry, target)
    unpacked.rmdir()


@contextmanager
def _open(archive: Path, shown: str) -> Iterator[tuple[Iterable[_Member], Any]]:
    """Yield the members (of a tar, while it is read) and the function that opens one."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield map(_of_zip, zipped.infolist()), zipped.open
        return
    with archive.open("rb") as packed:
        start = packed.read(6)
    opener = next((opener for mark, opener in _PACKERS.items() if start.startswith(mark)), open)
    with opener(archive, "rb") as stream, _tar(BoundedStream(stream, bound(archive.stat().st_size)), shown) as tarred:
        yield _of_tar(tarred), tarred.extractfile


def _tar(stream: BoundedStream, shown: str) -> tarfile.TarFile:
    try:
        return open_tar(stream)
    except (tarfile.ReadError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise GoldievalError(
            f"{shown} is neither a zip nor a tar, or is damaged. Is it a login page, or another file?"
        ) from error


def _of_tar(tarred: tarfile.TarFile) -> Iterator[_Member]:
    """Yield the members; check the end, because tarfile treats a damaged header as the end of the archive."""
    for about in tarred:
        yield _Member(_clean(about.name), about.isfile(), about.isdir(), about.size, about)
    tarred.fileobj.seek(tarred.offset)
    if tarred.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it ends before its end-of-archive mark")


def _of_zip(about: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(about.external_attr >> 16)
    is_file = not about.is_dir() and kind in (0, stat.S_IFREG)
    return _Member(_clean(about.filename), is_file, about.is_dir(), about.file_size, about)


def _clean(name: str) -> str:
    """Return a normalised name: ``./a/b/`` is ``a/b``; names that lead outside are not changed."""
    while name.startswith("./"):
        name = name[2:]
    return name.rstrip("/")


def _checked(found: Iterable[_Member], packed: int, to: Path, shown: str) -> list[_Member]:
    """Return the members of an archive of ``packed`` bytes. Raises GoldievalError for the first that is not allowed."""
    members: list[_Member] = []
    total, most = 0, bound(packed)
    many = min(MEMBERS, 10_000 + packed // MEMBER_BYTES)
    free = shutil.disk_usage(next(place for place in to.parents if place.is_dir())).free
    for member in found:
        _check(member, shown)
        total += member.size
        members.append(member)
        if total > most or len(members) > many:
            what = f"{len(members):,} members" if len(members) > many else f"{total:,} bytes or more"
            raise GoldievalError(
                f"{shown} has {packed:,} bytes and would unpack to {what}: nothing was unpacked. If that is correct, "
                "unpack it yourself and use `goldieval data import`."
            )
        if total > free:
            raise OSError(errno.ENOSPC, "")
    if not any(member.is_file for member in members):
        raise GoldievalError(f"{shown} holds no files.")
    return members


def _check(member: _Member, shown: str) -> None:
    if member.size < 0:
        raise tarfile.ReadError(f"{member.name!r} has a negative size")
    windows = PureWindowsPath(member.name)  # also checks Windows separators and drives
    if member.name.startswith("/") or windows.drive or windows.root or ".." in windows.parts:
        raise GoldievalError(f"{shown}: member {member.name!r} would leave the data folder: nothing was unpacked.")
    if not (member.is_file or member.is_folder):
        raise GoldievalError(f"{shown}: member {member.name!r} is a link or a device: nothing was unpacked.")
    if "\0" in member.name or (not member.name.isascii() and _is_no_text(member.name)):
        raise GoldievalError(f"{shown}: the name {member.name!r} is not UTF-8: nothing was unpacked.")


def _is_no_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False


def _extract(read: Any, member: _Member, to: Path) -> FileHash:
    target, total, size = to / member.name, hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    source: IO[bytes]
    with read(member.handle) as source, target.open("wb") as stream:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > member.size:
                raise zipfile.BadZipFile(f"{member.name!r} is longer than declared")
            stream.write(chunk)
            total.update(chunk)
    if size < member.size:
        raise zipfile.BadZipFile(f"{member.name!r} is shorter than declared")
    return FileHash(bytes=size, sha256=total.hexdigest())


def clear(folder: Path) -> None:
    """Remove a folder of our own; it need not exist."""
    shutil.rmtree(folder, ignore_errors=True)

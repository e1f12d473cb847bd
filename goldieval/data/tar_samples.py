"""Samples of a tar file: members with the same name up to the first dot, read in place."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from goldieval.core.errors import TaskError
from goldieval.core.limits import PICTURE_BYTES
from goldieval.core.reading import check_regular
from goldieval.core.tar_files import BoundedStream, open_tar
from goldieval.data.file_names import escape_undecodable
from goldieval.data.image_source import EncodedImage
from goldieval.data.places import Place
from goldieval.data.walk import HIDDEN, PICTURES, LeftOut, is_leftover

GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class TarImage(EncodedImage):
    """A member of an uncompressed tar, read by offset so that threads can share the file."""

    tar: Path
    offset: int
    size: int

    def read(self) -> bytes:
        if not 0 <= self.size <= PICTURE_BYTES:
            raise OSError(f"it has {self.size:,} bytes, more than an image or text may have")
        with self.tar.open("rb") as stream:
            stream.seek(self.offset)
            data = stream.read(self.size)
        if len(data) < self.size:
            raise OSError(f"{self.tar} ends in the middle of this image")
        return data

    def place(self) -> Place:
        return Place(self.tar, f"{self.offset} {self.size}")


def picture_of(where: str, members: Mapping[str, TarImage]) -> TarImage | None:
    """Return the image among a sample's members. Raises TaskError if there are two."""
    found = [ending for ending in members if f".{ending}" in PICTURES]
    if len(found) > 1:
        raise TaskError(f"{where} has {len(found)} images, .{' and .'.join(found)}. Keep one.")
    return members[found[0]] if found else None


def samples_of(tar: Path, left_out: LeftOut | None = None) -> Iterator[tuple[str, dict[str, TarImage]]]:
    """Yield key and members (ending to location) of every sample, reading only headers.

    Args:
        tar: The tar file.
        left_out: Counts the members that are not part of a sample, such as links and files added by macOS.

    Raises:
        TaskError: The file is not a tar, compressed, truncated, has a damaged header, or contains a member twice.
    """
    samples: dict[str, dict[str, TarImage]] = {}
    left_out = LeftOut() if left_out is None else left_out
    try:
        check_regular(tar)
        end = _check_end(tar)
        with tar.open("rb") as stream, open_tar(BoundedStream(stream, end)) as archive:
            for member in archive:
                _check_member(member, end)
                folder, _, name = member.name.rpartition("/")
                stem, _, ending = name.partition(".")
                if reason := _not_taken(member, name):
                    left_out[f".{escape_undecodable(ending)}"[:12], reason] += 1
                elif member.isfile():
                    key = f"{folder}/{stem}".removeprefix("./").removeprefix("/")
                    members = samples.setdefault(key, {})
                    if ending.lower() in members:
                        raise tarfile.ReadError(f"it holds {escape_undecodable(member.name)} twice")
                    members[ending.lower()] = TarImage(tar, member.offset_data, member.size)
    except FileNotFoundError:
        raise TaskError(f"{tar} does not exist.") from None
    except Exception as error:  # for damaged headers, tarfile also raises ValueError, OverflowError, MemoryError …
        again = "" if "gunzip" in str(error) else " Fetch it again."
        raise TaskError(f"{tar} is not a readable tar file: {error}.{again}") from error
    yield from samples.items()


def _check_member(member: tarfile.TarInfo, end: int) -> None:
    """Refuse members that cannot be read by offset and size."""
    shown = escape_undecodable(member.name)[:80]
    if "\0" in member.name:
        raise tarfile.ReadError(f"the name of member {shown!r} holds a zero byte")
    if member.issparse():
        raise tarfile.ReadError(f"member {shown!r} is sparse, so its bytes are not contiguous")
    if not 0 <= member.size <= end - member.offset_data:
        raise tarfile.ReadError(f"member {shown!r} declares {member.size:,} bytes, more than the file has left")


def _not_taken(member: tarfile.TarInfo, name: str) -> str:
    if any(is_leftover(part) for part in member.name.split("/") if part not in (".", "..")):
        return HIDDEN
    return "links in a tar" if member.issym() or member.islnk() else ""


def _check_end(tar: Path) -> int:
    """Return the size of a tar that ends with a block of zeros; without it, samples could be missing at the end."""
    with tar.open("rb") as stream:
        if stream.read(len(GZIP)) == GZIP:
            raise tarfile.ReadError("it is compressed, but images are read in place: unpack it with gunzip")
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 512))
        if stream.read().strip(b"\0"):
            raise tarfile.ReadError("it ends before its end-of-archive mark")
    return size

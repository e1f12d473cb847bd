"""clip-benchmark's web datasets: ``<split>/<n>.tar`` with an image and a .cls or .txt file per sample."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.core.limits import PICTURE_BYTES, SHARDS
from goldieval.core.reading import check_regular
from goldieval.core.tar_files import BoundedStream, open_tar
from goldieval.data.file_names import escape_undecodable
from goldieval.data.image_source import EncodedImage
from goldieval.data.labels import index_of
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.data.source import Source, is_there, read_lines, read_names
from goldieval.data.table_files import empty, is_missing
from goldieval.data.text_files import text_of
from goldieval.data.walk import HIDDEN, PICTURES, LeftOut, is_leftover, left_out_notes

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


class WebdatasetSource(Source):
    """A web dataset as a card's source. ``<split>/nshards.txt`` contains the number of shards, ``classnames.txt`` the
    class names in label order.

    Attributes:
        split: Split to evaluate.
        train: A second split, to train a probe on.
    """

    reader: Literal["webdataset"]
    split: str = "test"
    train: str = ""

    def needs(self) -> list[str]:
        return [f"{split}/nshards.txt" for split in self._splits]

    def missing(self, folder: Path) -> list[str]:
        if lacking := super().missing(folder):
            return lacking
        shards = (name for split in self._splits for name in _shards(folder, split))
        return [name for name in shards if not is_there(folder, name)]

    def read(self, folder: Path) -> Dataset:
        file = inside(folder, "classnames.txt")
        names = read_names(file) if file.exists() else None
        left_out: LeftOut = LeftOut()
        parts = [_split_rows(folder, split, left_out) for split in self._splits]
        if not self.train:
            return dataset_of(parts[0], names, left_out_notes(left_out))
        rows = [
            _renamed(row, f"{split}/{row.image.id}")
            for split, part in zip(self._splits, parts, strict=True)
            for row in part
        ]
        dataset = dataset_of(rows, names, left_out_notes(left_out))
        dataset.train = np.arange(len(rows)) >= len(parts[0])
        return dataset

    @property
    def _splits(self) -> list[str]:
        return [self.split, *([self.train] if self.train else [])]


def _shards(folder: Path, split: str) -> list[str]:
    file = inside(folder, f"{split}/nshards.txt")
    count = " ".join(read_lines(file))
    if not re.fullmatch(r"[0-9]{1,9}", count) or int(count) > SHARDS:
        raise TaskError(f"{file} should hold the number of shards, at most {SHARDS:,}, but holds {count[:40]!r}.")
    return [f"{split}/{number}.tar" for number in range(int(count))]


def _split_rows(folder: Path, split: str, left_out: LeftOut) -> list[AnnotatedImage]:
    """Return a split's rows; ids contain the shard only if keys alone are not unique."""
    rows = [row for shard in _shards(folder, split) for row in _rows(folder, shard, left_out)]
    keys = [row.image.id.partition("/")[2] for row in rows]
    if len(set(keys)) < len(keys):
        return rows
    return [_renamed(row, key) for row, key in zip(rows, keys, strict=True)]


def _rows(folder: Path, shard: str, left_out: LeftOut) -> Iterator[AnnotatedImage]:
    """Yield one row per sample; members of a sample share their file name up to its first dot."""
    tar = inside(folder, shard)
    for key, members in samples_of(tar, left_out):
        where = f"{tar}: sample {escape_undecodable(key)}"
        picture = picture_of(where, members)
        if picture is None:
            raise TaskError(f"{where} has no image, only .{', .'.join(map(escape_undecodable, members))}.")
        id = f"{Path(shard).stem}/{key}"
        image = ImageSample(id, TarImage(tar, picture.offset, picture.size), f"{shard}/{key}")
        if "cls" in members:
            yield AnnotatedImage(image, _label(where, members["cls"]))
        elif "txt" in members:
            captions = text_of(members["txt"].read(), f"{where}, .txt").splitlines()
            if missing := [text for text in captions or [""] if is_missing(text)]:
                raise TaskError(f"{where}: {empty('caption in .txt', missing[0])}")
            yield AnnotatedImage(image, captions=[(f"{id}#{number}", text) for number, text in enumerate(captions)])
        else:
            raise TaskError(f"{where} has neither a .cls nor a .txt file.")


def picture_of(where: str, members: Mapping[str, TarImage]) -> TarImage | None:
    """Return the image among a sample's members. Raises TaskError if there are two."""
    found = [ending for ending in members if f".{ending}" in PICTURES]
    if len(found) > 1:
        raise TaskError(f"{where} has {len(found)} images, .{' and .'.join(found)}. Keep one.")
    return members[found[0]] if found else None


def _renamed(row: AnnotatedImage, id: str) -> AnnotatedImage:
    captions = [(f"{id}#{number}", text) for number, (_, text) in enumerate(row.captions)]
    return AnnotatedImage(replace(row.image, id=id), row.label, captions)


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


def _label(where: str, member: TarImage) -> int:
    text = text_of(member.read(), f"{where}, .cls").strip()
    try:
        return index_of(where, text, None)
    except TaskError:
        raise TaskError(f"{where}: label {text[:20]!r} is not a class index.") from None

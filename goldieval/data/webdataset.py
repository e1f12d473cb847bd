"""clip-benchmark's web datasets: ``<split>/<n>.tar`` with a picture and a .cls or .txt beside it, read in place."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from goldieval.core.limits import PICTURE_BYTES, SHARDS
from goldieval.core.tars import Guarded, open_tar
from goldieval.data.folder import PICTURES
from goldieval.data.paths import inside
from goldieval.data.samples import Dataset, EncodedImage, ImageSample, Row, dataset_of
from goldieval.data.source import Source, is_there, read_lines
from goldieval.errors import TaskError


@dataclass(frozen=True)
class TarImage(EncodedImage):
    """A member of an uncompressed tar, read by offset so that threads can share the file."""

    tar: Path
    offset: int
    size: int

    def read(self) -> bytes:
        if not 0 <= self.size <= PICTURE_BYTES:
            raise OSError(f"it has {self.size:,} bytes, more than a picture or text may have")
        with self.tar.open("rb") as stream:
            stream.seek(self.offset)
            data = stream.read(self.size)
        if len(data) < self.size:
            raise OSError(f"{self.tar} ends in the middle of this picture")
        return data


class WebdatasetSource(Source):
    """``<split>/nshards.txt`` says how many shards there must be; ``classnames.txt`` gives the label order.

    train: a second split, to learn from (a probe's).
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
        names = read_lines(file) if file.exists() else None
        parts = [_split_rows(folder, split) for split in self._splits]
        if not self.train:
            return dataset_of(parts[0], names)
        rows = [
            _renamed(row, f"{split}/{row.image.id}")
            for split, part in zip(self._splits, parts, strict=True)
            for row in part
        ]
        dataset = dataset_of(rows, names)
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


def _split_rows(folder: Path, split: str) -> list[Row]:
    """Return a split's rows; the shard is no property of a sample where keys alone tell them apart."""
    rows = [row for shard in _shards(folder, split) for row in _rows(folder, shard)]
    keys = [row.image.id.partition("/")[2] for row in rows]
    if len(set(keys)) < len(keys):
        return rows
    return [_renamed(row, key) for row, key in zip(rows, keys, strict=True)]


def _rows(folder: Path, shard: str) -> Iterator[Row]:
    """Yield one row a sample; members of a sample share everything before the first dot of their file name."""
    tar = inside(folder, shard)
    for key, members in samples_of(tar):
        where = f"{tar}: sample {key}"
        picture = next((member for ending, member in members.items() if f".{ending}" in PICTURES), None)
        if picture is None:
            raise TaskError(f"{where} has no picture, only .{', .'.join(members)}.")
        id = f"{Path(shard).stem}/{key}"
        image = ImageSample(id, TarImage(tar, picture.offset, picture.size), f"{shard}/{key}")
        if "cls" in members:
            yield Row(image, _label(where, members["cls"].read()))
        elif "txt" in members:
            captions = members["txt"].read().decode("utf-8", errors="replace").splitlines()
            yield Row(image, captions=[(f"{id}#{number}", text) for number, text in enumerate(captions)])
        else:
            raise TaskError(f"{where} has neither a .cls nor a .txt file.")


def _renamed(row: Row, id: str) -> Row:
    captions = [(f"{id}#{number}", text) for number, (_, text) in enumerate(row.captions)]
    return Row(replace(row.image, id=id), row.label, captions)


def samples_of(tar: Path) -> Iterator[tuple[str, dict[str, TarImage]]]:
    """Yield key and members (ending to where it lies) of every sample, reading headers only.

    Raises:
        TaskError: no tar, a compressed or truncated one, or a member that is there twice.
    """
    samples: dict[str, dict[str, TarImage]] = {}
    try:
        _check_end(tar)
        with tar.open("rb") as stream, open_tar(Guarded(stream, tar.stat().st_size)) as archive:
            for member in archive:
                if member.isfile():
                    folder, _, name = member.name.rpartition("/")
                    stem, _, ending = name.partition(".")
                    key = f"{folder}/{stem}".removeprefix("./").removeprefix("/")
                    members = samples.setdefault(key, {})
                    if ending.lower() in members:
                        raise tarfile.ReadError(f"it holds {member.name} twice")
                    members[ending.lower()] = TarImage(tar, member.offset_data, member.size)
    except (OSError, tarfile.TarError, ValueError, OverflowError) as error:
        raise TaskError(f"{tar} is no readable tar: {error}. Fetch it again.") from error
    yield from samples.items()


def _check_end(tar: Path) -> None:
    """Refuse a tar that does not end with a block of zeros: cut between two samples it would read as a shorter set."""
    with tar.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - 512))
        if stream.read().strip(b"\0"):
            raise tarfile.ReadError("it ends before its end-of-archive mark")


def _label(where: str, text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise TaskError(f"{where}: label {text[:20]!r} is no class index.") from None

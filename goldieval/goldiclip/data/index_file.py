"""The file of a shard index: 16 bytes for each sample, mapped into memory and shared by all processes of a machine.

The file may be deleted at any time; a damaged one is made again, and where the folder cannot be written there is none.
What a start reads of it does not grow with the number of samples: the offsets of a shard are checked when it is first
read.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import goldieval.data.tar_samples as tar_samples
import goldieval.data.walk as walk
import goldieval.data.webdataset as webdataset
from goldieval.core.files import atomic_write
from goldieval.data.roots import cache_root

NOWHERE = -1  # place of a picture or JSON that a sample lacks
BYTES_PER_BLOCK = tarfile.BLOCKSIZE  # members begin at a multiple of it, so that 4 bytes reach 1 TB
LARGEST = 2**31 - 1
ABSENT = -1  # size in the stamp of a shard that is not there

Rows = npt.NDArray[np.int32]


class Stamp(NamedTuple):
    """One state of a shard.

    Attributes:
        shard: Absolute path.
        size: Size in bytes.
        changed: Modification time in nanoseconds.
    """

    shard: str
    size: int
    changed: int


class Part(NamedTuple):
    """One shard of an index.

    Attributes:
        stamp: Its state.
        rows: Offsets of its samples, see ``ShardIndex``.
        fault: Why it cannot be read, or an empty string.
    """

    stamp: Stamp
    rows: Rows
    fault: str


def no_rows() -> Rows:
    """Return the rows of no sample."""
    return np.empty((0, 4), dtype=np.int32)


@dataclass(frozen=True)
class ShardIndex:
    """Offsets of all samples.

    Attributes:
        stamps: State of each shard, in the order of the rows.
        counts: Number of samples of each shard.
        faults: Why each shard cannot be read, or an empty string.
        checks: Checksum of the rows of each shard.
        rows: Place and size of the picture and of the JSON of each sample, shape (samples, 4): places in blocks of 512
            bytes, ``NOWHERE`` for what a sample lacks, sizes in bytes.
    """

    stamps: list[Stamp] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    checks: list[int] = field(default_factory=list)
    rows: Rows = field(default_factory=no_rows)

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """First row of each shard, and the number of rows."""
        return np.cumsum([0, *self.counts], dtype=np.int64)

    def rows_of(self, number: int) -> Rows:
        """Return the rows of a shard."""
        return self.rows[int(self.starts[number]) : int(self.starts[number + 1])]

    @property
    def contents(self) -> list[tuple[int, int]]:
        """Number of samples of each shard, and the checksum of their places."""
        return list(zip(self.counts, self.checks, strict=True))

    def is_sound(self, number: int) -> bool:
        """Return whether the rows of a shard are those that were written."""
        return check_of(self.rows_of(number)) == self.checks[number]

    def by_stamp(self) -> dict[Stamp, Part]:
        """Return the parts of the index whose rows are sound."""
        places = pairwise(self.starts.tolist())
        parts = [
            Part(stamp, self.rows[first:last], fault)
            for stamp, fault, (first, last) in zip(self.stamps, self.faults, places, strict=True)
        ]
        return {part.stamp: part for number, part in enumerate(parts) if self.is_sound(number)}


def file_of(path: str) -> Path:
    """Return the index file of a folder or pattern, whether or not it exists."""
    digest = hashlib.sha256(os.path.abspath(path).encode())
    for source in (webdataset.__file__, tar_samples.__file__, walk.__file__, __file__):
        digest.update(Path(source).read_bytes())
    return cache_root() / "shard-indexes" / f"{digest.hexdigest()[:32]}.safetensors"


def stamp_of(shard: Path) -> Stamp:
    """Return the state of a shard now."""
    try:
        found = shard.stat()
    except OSError:
        return Stamp(os.path.abspath(shard), ABSENT, 0)
    return Stamp(os.path.abspath(shard), found.st_size, found.st_mtime_ns)


def check_of(rows: Rows) -> int:
    """Return the checksum of some rows."""
    return zlib.crc32(np.ascontiguousarray(rows).view(np.uint8).data)


def joined(parts: Sequence[Part]) -> ShardIndex:
    """Return the index of some shards."""
    stamps, rows, faults = (list(own) for own in zip(*parts, strict=True)) if parts else ([], [], [])
    counts, checks = [len(own) for own in rows], [check_of(own) for own in rows]
    return ShardIndex(stamps, counts, faults, checks, np.concatenate([no_rows(), *rows]))


def read_index(file: Path) -> ShardIndex:
    """Return the index in a file, mapped so that processes share its memory; an empty one if it cannot be trusted."""
    try:
        with safe_open(str(file), framework="pt") as stored:
            about = stored.metadata() or {}
            shards = json.loads(about["shards"])
            index = ShardIndex(
                [Stamp(*stamp) for stamp in shards["stamps"]],
                shards["counts"],
                shards["faults"],
                shards["checks"],
                stored.get_tensor("rows").numpy(),
            )
        sound = about["checksum"] == _head(file, index) and len(index.rows) == sum(index.counts)
    except (OSError, KeyError, TypeError, ValueError, SafetensorError):
        return ShardIndex()
    return index if sound else ShardIndex()


def write_index(file: Path, index: ShardIndex) -> None:
    """Write an index, whole or not at all."""
    shards = {name: getattr(index, name) for name in ("stamps", "counts", "faults", "checks")}
    about = {"shards": json.dumps(shards), "checksum": _head(file, index)}
    try:
        atomic_write(file, save({"rows": torch.from_numpy(index.rows)}, about))
    except OSError:
        return  # a full disk costs the next start some time, and this run nothing


def _head(file: Path, index: ShardIndex) -> str:
    """Return the checksum of everything but the rows."""
    shape = [*index.rows.shape, str(index.rows.dtype)]
    named = [file.stem, index.stamps, index.counts, index.faults, index.checks, shape]
    return f"{zlib.crc32(json.dumps(named).encode()):08x}"

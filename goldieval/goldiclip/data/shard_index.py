"""Offsets of all samples of all shards, kept in the user's cache folder: the headers of a shard are read once.

A shard is read again when its size or modification time changes, and all are when the code that reads them changes. The
file may be deleted at any time; a damaged one is made again; where the folder cannot be written there is no cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import goldieval.data.walk as walk
import goldieval.data.webdataset as webdataset
from goldieval.core.errors import TaskError
from goldieval.core.files import atomic_write, exclusive_lock
from goldieval.data.file_names import escape_undecodable
from goldieval.data.roots import cache_root
from goldieval.data.tar_samples import TarImage, picture_of, samples_of
from goldieval.goldiclip.data.processes import cores, in_processes

NOTE_EVERY_S = 10.0
SHARDS_PER_PROCESS = 4  # fewer are not worth a process
NO_OFFSET = -1  # offset of a picture or JSON that a sample lacks


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


@dataclass(frozen=True)
class ShardIndex:
    """Offsets of all samples.

    Attributes:
        stamps: State of each shard, in the order of the rows.
        counts: Number of samples of each shard.
        rows: Offset and size of the picture and of the JSON of each sample, shape (samples, 4); ``NO_OFFSET`` as the
            offset of what a sample lacks.
    """

    stamps: list[Stamp] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    rows: np.ndarray = field(default_factory=lambda: np.empty((0, 4), dtype=np.int64))

    @property
    def starts(self) -> np.ndarray:
        """First row of each shard, and the number of rows."""
        return np.cumsum([0, *self.counts])

    def by_shard(self) -> dict[Stamp, np.ndarray]:
        """Return the rows of each shard."""
        places = pairwise(self.starts.tolist())
        return {stamp: self.rows[first:last] for stamp, (first, last) in zip(self.stamps, places, strict=True)}


def index_of(path: str, shards: Sequence[Path], note: Callable[[str], None]) -> ShardIndex:
    """Return the index of the shards that a path names; of several processes, one reads them.

    Args:
        path: Folder or pattern.
        shards: Its shards.
        note: Called with a line where reading takes a while.

    Raises:
        TaskError: A shard is not a complete, uncompressed tar. The index of those before it is kept.
    """
    stamps, file = [_stamp(shard) for shard in shards], file_of(path)
    kept = _read(file)
    if kept.stamps == stamps:
        return kept
    with exclusive_lock(file):
        kept = _read(file)  # another process may have made it meanwhile
        if kept.stamps == stamps:
            return kept
        parts = kept.by_shard()
        missing = [stamp for stamp in stamps if stamp not in parts]
        try:
            _read_headers(missing, parts, note)
        finally:
            index = _joined([(stamp, parts[stamp]) for stamp in stamps if stamp in parts])
            _write(file, index)
        return index


def file_of(path: str) -> Path:
    """Return the index file of a folder or pattern, whether or not it exists."""
    digest = hashlib.sha256(os.path.abspath(path).encode())
    for source in (webdataset.__file__, walk.__file__, __file__):
        digest.update(Path(source).read_bytes())
    return cache_root() / "shard-indexes" / f"{digest.hexdigest()[:32]}.safetensors"


def _stamp(shard: Path) -> Stamp:
    try:
        found = shard.stat()
    except OSError as error:
        raise TaskError(f"{shard} cannot be read: {error.strerror or error}.") from error
    return Stamp(os.path.abspath(shard), found.st_size, found.st_mtime_ns)


def _read_headers(missing: list[Stamp], parts: dict[Stamp, np.ndarray], note: Callable[[str], None]) -> None:
    last, processes = time.monotonic(), min(len(missing) // SHARDS_PER_PROCESS, cores())
    found = in_processes(_members, [Path(stamp.shard) for stamp in missing], processes)
    for number, (stamp, rows) in enumerate(zip(missing, found, strict=True), start=1):
        parts[stamp] = rows
        if time.monotonic() - last > NOTE_EVERY_S:
            last = time.monotonic()
            note(f"reading shard headers: {number:,} of {len(missing):,}; the next run finds them in the cache")


def _members(shard: Path) -> np.ndarray:
    rows: list[tuple[int, int, int, int]] = []
    for key, members in samples_of(shard):
        picture = picture_of(f"{shard}: sample {escape_undecodable(key)}", members)
        text = members.get("json")
        if picture or text:  # else another file, such as a README of the shard
            rows.append((*_place(picture), *_place(text)))
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def _place(member: TarImage | None) -> tuple[int, int]:
    return (member.offset, member.size) if member else (NO_OFFSET, 0)


def _joined(parts: list[tuple[Stamp, np.ndarray]]) -> ShardIndex:
    rows = [ShardIndex().rows, *(own for _, own in parts)]
    return ShardIndex([stamp for stamp, _ in parts], [len(own) for _, own in parts], np.concatenate(rows))


def _read(file: Path) -> ShardIndex:
    """Return the index in a file, mapped so that processes share its memory; an empty one if it cannot be trusted."""
    try:
        with safe_open(str(file), framework="pt") as stored:
            shards, checksum = ((stored.metadata() or {})[key] for key in ("shards", "checksum"))
            index = ShardIndex(
                [Stamp(*stamp) for stamp in json.loads(shards)],
                stored.get_tensor("counts").tolist(),
                stored.get_tensor("rows").numpy(),
            )
    except (OSError, KeyError, TypeError, ValueError, SafetensorError):
        return ShardIndex()
    return index if checksum == _checksum(file, index) else ShardIndex()


def _write(file: Path, index: ShardIndex) -> None:
    parts = {"counts": torch.tensor(index.counts, dtype=torch.int64), "rows": torch.from_numpy(index.rows)}
    about = {"shards": json.dumps(index.stamps), "checksum": _checksum(file, index)}
    try:
        atomic_write(file, save(parts, about))
    except OSError:
        return  # a full disk costs the next start some time, and this run nothing


def _checksum(file: Path, index: ShardIndex) -> str:
    named = json.dumps([file.stem, index.stamps, index.counts, index.rows.shape, str(index.rows.dtype)])
    return f"{zlib.crc32(np.ascontiguousarray(index.rows).view(np.uint8).data, zlib.crc32(named.encode())):08x}"

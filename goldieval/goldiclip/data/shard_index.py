"""Offsets of all samples of all shards, kept in the user's cache folder: the headers of a shard are read once.

A shard is read again when its size or modification time changes, and all are when the code that reads them changes. A
shard that cannot be read is named and left out; where its samples are known from before they keep their places, so that
a training that goes on has the same epochs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.core.files import exclusive_lock
from goldieval.data.file_names import escape_undecodable
from goldieval.data.tar_samples import TarImage, picture_of, samples_of
from goldieval.goldiclip.data.index_file import (
    BYTES_PER_BLOCK,
    LARGEST,
    NOWHERE,
    Part,
    Rows,
    ShardIndex,
    Stamp,
    file_of,
    joined,
    no_rows,
    read_index,
    stamp_of,
    write_index,
)
from goldieval.goldiclip.data.processes import cores, in_processes

NOTE_EVERY_S, SAVE_EVERY_S = 10.0, 600.0
SHARDS_PER_PROCESS = 4  # fewer are not worth a process
UNREAD = -2  # size in the stamp of a shard that is there and could not be read: the next run tries again


@dataclass(frozen=True)
class _Headers:
    """What the headers of a shard say.

    Attributes:
        rows: Offsets of its samples.
        fault: Why it cannot be used, or an empty string.
        may_pass: Whether the fault is one of reading and not of the content.
    """

    rows: Rows
    fault: str = ""
    may_pass: bool = False


def index_of(path: str, shards: Sequence[Path], note: Callable[[str], None]) -> ShardIndex:
    """Return the index of the shards that a path names; of several processes, one reads them.

    Args:
        path: Folder or pattern.
        shards: Its shards.
        note: Called with a line where reading takes a while.

    Raises:
        GoldievalError: No shard can be read.
    """
    stamps, file = [stamp_of(shard) for shard in shards], file_of(path)
    kept = read_index(file)
    if kept.stamps == stamps:
        return _usable(kept)
    with exclusive_lock(file):
        kept = read_index(file)  # another process may have made it meanwhile
        if kept.stamps == stamps:
            return _usable(kept)
        parts = kept.by_stamp()
        before = {stamp.shard: part for stamp, part in parts.items()}
        try:
            _read_missing(file, stamps, parts, before, note)
        finally:
            index = joined([parts[stamp] for stamp in stamps if stamp in parts])
            write_index(file, index)
        return _usable(index)


def _usable(index: ShardIndex) -> ShardIndex:
    faults = [(stamp.shard, fault) for stamp, fault in zip(index.stamps, index.faults, strict=True) if fault]
    if faults and not len(index.rows):
        raise GoldievalError(f"data.path: no shard can be read, beginning with {faults[0][0]}: {faults[0][1]}")
    return index


def _read_missing(
    file: Path,
    stamps: Sequence[Stamp],
    parts: dict[Stamp, Part],
    before: dict[str, Part],
    note: Callable[[str], None],
) -> None:
    """Add the parts of the shards that are not known yet; what is known so far is kept now and then."""
    missing = [stamp for stamp in dict.fromkeys(stamps) if stamp not in parts]
    noted = saved = time.monotonic()
    for number, (stamp, found) in enumerate(zip(missing, _headers_of(missing), strict=True), start=1):
        rows = before[stamp.shard].rows if found.fault and stamp.shard in before else found.rows
        own = stamp._replace(size=UNREAD) if found.may_pass else stamp
        parts[stamp] = Part(own, rows, found.fault)
        if time.monotonic() - noted > NOTE_EVERY_S:
            noted = time.monotonic()
            note(f"reading shard headers: {number:,} of {len(missing):,}; the next run finds them in the cache")
        if time.monotonic() - saved > SAVE_EVERY_S:
            saved = time.monotonic()
            write_index(file, joined([parts[stamp] for stamp in stamps if stamp in parts]))


def _headers_of(missing: list[Stamp]) -> Iterator[_Headers]:
    processes = min(len(missing) // SHARDS_PER_PROCESS, cores())
    return in_processes(headers, [Path(stamp.shard) for stamp in missing], processes)


def headers(shard: Path) -> _Headers:
    """Return what the headers of a shard say."""
    rows: list[tuple[int, int, int, int]] = []
    try:
        for key, members in samples_of(shard):
            picture = picture_of(f"{shard}: sample {escape_undecodable(key)}", members)
            text = members.get("json")
            if picture or text:  # else another file, such as a README of the shard
                rows.append((*_place(picture), *_place(text)))
    except TaskError as error:
        reason = str(error).removeprefix(str(shard)).removeprefix(":").strip()
        return _Headers(no_rows(), reason, isinstance(error.__cause__, OSError))
    return _Headers(np.array(rows, dtype=np.int32).reshape(-1, 4))


def _place(member: TarImage | None) -> tuple[int, int]:
    """Return the place of a member in blocks of a tar, and its size in bytes; none has more than 1 GB."""
    if member is None:
        return NOWHERE, 0
    return member.offset // BYTES_PER_BLOCK, min(member.size, LARGEST)

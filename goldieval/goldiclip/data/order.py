"""The order of an epoch, computed where it is asked for: no process holds that of all samples."""

from __future__ import annotations

import hashlib
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

BLOCK = 100_000  # samples that are shuffled together, in whole shards: some GB, which fit into the page cache
RUN = 1_000_000  # longer shards are divided
KEPT_BLOCKS = 2  # a batch may lie on the border between two

Rows = npt.NDArray[np.int64]


class Order(Protocol):
    """Each row of a corpus once."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int) -> int:
        """Return the row at a place. Raises IndexError beyond the end."""


class Shuffle:
    """One shuffle of all rows, for corpora that lie in memory."""

    def __init__(self, rows: int, seed: int) -> None:
        self._rows = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> int:
        return int(self._rows[place])


class BlockShuffle:
    """Shards are shuffled, then the rows within blocks of consecutive shards, so that reads stay close together.

    Memory is that of two blocks and of one number for each shard, however many samples there are. Any place can be
    asked for first: a block depends on the seed and on its number alone.
    """

    def __init__(self, counts: npt.ArrayLike, seed: int, block: int = BLOCK) -> None:
        """Order the rows of shards.

        Args:
            counts: Number of samples of each shard, in the order of the rows.
            seed: Seed of the epoch.
            block: Samples that are shuffled together.
        """
        starts, sizes = _runs(np.asarray(counts, dtype=np.int64))
        shuffled = torch.randperm(len(sizes), generator=torch.Generator().manual_seed(seed)).numpy()
        self._starts, self._sizes = starts[shuffled], sizes[shuffled]
        self._run_ends = np.cumsum(self._sizes)
        self._block_runs = _blocks(self._run_ends, block)
        self._block_ends = self._run_ends[self._block_runs - 1]
        self._seed, self._length = seed, int(sizes.sum())
        self._kept: dict[int, Rows] = {}

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> int:
        if not 0 <= place < self._length:
            raise IndexError(place)
        number = int(np.searchsorted(self._block_ends, place, side="right"))
        first = int(self._block_ends[number - 1]) if number else 0
        if number not in self._kept:
            self._kept = dict([*self._kept.items()][1 - KEPT_BLOCKS :])
            self._kept[number] = self._rows(number)
        return int(self._kept[number][place - first])

    def _rows(self, number: int) -> Rows:
        """Return the rows of a block in their order."""
        own = slice(int(self._block_runs[number - 1]) if number else 0, int(self._block_runs[number]))
        sizes = self._sizes[own]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = np.repeat(self._starts[own], sizes) + within
        digest = hashlib.sha256(f"{self._seed}/{number}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        shuffled: Rows = rows[torch.randperm(len(rows), generator=generator).numpy()]
        return shuffled


def _runs(counts: Rows) -> tuple[Rows, Rows]:
    """Return first row and number of rows of each shard, of which long ones are divided and empty ones left out."""
    starts = np.cumsum(counts) - counts
    parts = -(-counts // RUN)
    number = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)  # of the part within its shard
    sizes = np.minimum(np.repeat(counts, parts) - number * RUN, RUN)
    return np.repeat(starts, parts) + number * RUN, sizes


def _blocks(run_ends: Rows, block: int) -> Rows:
    """Return for each block the number of runs up to its end; a block ends as soon as it is large enough."""
    ends: list[int] = []
    done = 0
    while done < (run_ends[-1] if len(run_ends) else 0):
        last = min(int(np.searchsorted(run_ends, done + block)), len(run_ends) - 1)
        ends.append(last + 1)
        done = int(run_ends[last])
    return np.array(ends, dtype=np.int64)

"""The order of an epoch: every sample once, the same from wherever it is asked for, in memory that does not grow."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goldieval.goldiclip.data import order as order_module
from goldieval.goldiclip.data.order import BlockShuffle, Shuffle

COUNTS = st.lists(st.integers(0, 12), min_size=1, max_size=30)


@given(COUNTS, st.integers(0, 2**31), st.integers(1, 60))
def test_every_row_once_whatever_the_shards(counts: list[int], seed: int, block: int) -> None:
    found = [*BlockShuffle(counts, seed, block)]
    assert sorted(found) == list(range(sum(counts))) and len(BlockShuffle(counts, seed, block)) == sum(counts)


@given(COUNTS, st.integers(0, 1000), st.integers(1, 60), st.data())
def test_any_place_can_be_asked_for_first(counts: list[int], seed: int, block: int, data: st.DataObject) -> None:
    """As a resumed run, another worker or another process does."""
    whole = [*BlockShuffle(counts, seed, block)]
    places = data.draw(st.lists(st.integers(0, max(0, len(whole) - 1)), max_size=8)) if whole else []
    fresh = BlockShuffle(counts, seed, block)
    assert [fresh[place] for place in places] == [whole[place] for place in places]


@settings(max_examples=30)
@given(COUNTS, st.integers(1, 20), st.integers(1, 7), st.integers(1, 4))
def test_processes_and_workers_share_an_epoch(counts: list[int], size: int, world: int, workers: int) -> None:
    """The batches of all processes and workers together are the order: each place belongs to one of them."""
    whole = [*BlockShuffle(counts, 3, 10)]
    steps, share = len(whole) // (size * world), size
    found: dict[int, int] = {}
    for rank in range(world):
        for worker in range(workers):
            order = BlockShuffle(counts, 3, 10)
            for step in range(worker, steps, workers):
                places = range(step * size * world + rank * share, step * size * world + (rank + 1) * share)
                found |= {place: order[place] for place in places}
    assert [found[place] for place in range(len(found))] == whole[: steps * size * world]


def test_blocks_hold_whole_shards_and_epochs_differ() -> None:
    counts = [7] * 40
    first, second = ([*BlockShuffle(counts, seed, 35)] for seed in (0, 1))
    blocks = [first[start : start + 35] for start in range(0, 280, 35)]
    assert all(len({row // 7 for row in block}) == 5 for block in blocks) and first != second
    assert all(block != sorted(block) for block in blocks)


def test_long_shards_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_module, "RUN", 10)
    order = BlockShuffle([95, 3], 0, 20)
    assert sorted(order) == list(range(98)) and max(map(len, order._kept.values())) <= 30


def test_an_order_of_thirty_million_takes_no_memory() -> None:
    """It was 8 bytes for each sample in each worker, 216 MB for 27 M."""
    tracemalloc.start()
    order = BlockShuffle(np.full(10_000, 3_000), 1)
    for place in (0, 29_999_999, 15_000_000):
        assert 0 <= order[place] < 30_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6 and len(order._kept) == 2


def test_a_corpus_in_memory_is_one_shuffle() -> None:
    expected = torch.randperm(40, generator=torch.Generator().manual_seed(7)).tolist()
    assert [*Shuffle(40, 7)] == expected and len(Shuffle(40, 7)) == 40


@pytest.mark.parametrize("place", [-1, 6])
def test_there_is_nothing_beyond_the_end(place: int) -> None:
    with pytest.raises(IndexError):
        BlockShuffle([2, 4], 0)[place]

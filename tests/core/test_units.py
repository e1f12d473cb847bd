"""Units of computation: one thread each, in order, and no trace of the limit afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from goldieval.core.units import one_thread, thread_count, unit_pool, units


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("workers", [None, 1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_results_come_in_order(workers: int | None, count: int) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return -item

    assert list(units(slow_first, range(count), "cpu", workers)) == [(item, -item) for item in range(count)]
    assert torch.get_num_threads() == 3


def test_every_unit_has_one_thread_and_the_callers_number_is_known() -> None:
    def inside(_: int) -> tuple[int, int]:
        return torch.get_num_threads(), thread_count()

    assert {seen for _, seen in units(inside, range(6), "cpu", 2)} == {(1, 1)}
    assert [seen for _, seen in units(inside, range(2), "cpu", None)] == [(3, 3)] * 2
    with one_thread(), one_thread():
        assert (torch.get_num_threads(), thread_count()) == (1, 3)
    assert (torch.get_num_threads(), thread_count()) == (3, 3)


def test_items_are_taken_a_few_ahead_only() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    found = units(abs, items(), "cpu", 2)
    next(found)
    assert len(taken) <= 4
    found.close()  # type: ignore[attr-defined]
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_unit_is_raised_at_its_place_and_ends_the_work(workers: int) -> None:
    done: list[int] = []

    def fails(item: int) -> int:
        if item == 2:
            raise ValueError("unit 2")
        done.append(item)
        return item

    found = units(fails, range(100), "cpu", workers)
    assert [next(found)[0], next(found)[0]] == [0, 1]
    with pytest.raises(ValueError, match="unit 2"):
        next(found)
    assert len(done) < 10 and torch.get_num_threads() == 3


def test_a_product_has_the_same_bits_whatever_the_number_of_threads() -> None:
    """Of the sizes at which torch's own threads change the last bits on some processors."""
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(512, 512, generator=generator), torch.randn(512, 8192, generator=generator)
    found = []
    for workers in (1, 2, 3):
        torch.set_num_threads(workers)
        found.append(next(units(lambda part: part @ right, [left], "cpu", workers))[1])
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_a_pool_serves_several_calls_with_the_same_threads() -> None:
    with unit_pool("cpu", 2) as run:
        names = {name for _ in range(3) for _, name in run(lambda _: threading.current_thread().name, range(8))}
    assert len(names) <= 2 and threading.current_thread().name not in names
    with unit_pool("cuda", 2) as run:
        assert dict(run(lambda _: threading.current_thread().name, range(1))) == {0: threading.current_thread().name}

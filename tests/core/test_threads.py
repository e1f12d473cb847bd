"""Generators with threads of their own that are closed before their end, by their consumer or the garbage collector."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from goldieval.core.threads import map_ahead
from goldieval.core.units import units

WAIT_S = 30.0
GENERATORS: dict[str, Callable[[Callable[[int], int]], Iterator[tuple[int, int]]]] = {
    "map_ahead": lambda function: map_ahead(function, range(9), 2),
    "units": lambda function: units(function, range(9), "cpu", 2),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_closing_a_generator_joins_no_thread(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector may close it in a thread that holds the lock of joining."""
    free = threading.Event()
    generator: Any = GENERATORS[name](lambda item: item if item < 1 or free.wait(WAIT_S) else -1)
    assert next(generator) == (0, 0)
    joined: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "join", lambda thread, timeout=None: joined.append(thread.name))
        cycle = [generator]
        cycle.append(cycle)  # type: ignore[arg-type]
        del generator, cycle
        gc.collect()
    free.set()
    assert not joined


@pytest.mark.parametrize("name", GENERATORS)
def test_at_its_end_no_thread_is_left(name: str) -> None:
    before = set(threading.enumerate())
    assert list(GENERATORS[name](lambda item: item * 2)) == [(item, item * 2) for item in range(9)]
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("name", GENERATORS)
def test_an_error_ends_the_threads(name: str) -> None:
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        list(GENERATORS[name](lambda item: 1 // (item - 3)))
    assert set(threading.enumerate()) <= before

"""Work on many items in several processes, with the results in order."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return the number of cores that may be used; 1 where forking is not safe (other systems than Linux)."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def in_processes(work: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
    """Yield the results in the order of the items; one process means this one."""
    if processes <= 1:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        yield from pool.map(work, items)

"""A group whose ranks are threads of this process, so that division among ranks is tested quickly."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Exchange:
    """What the ranks share: a place for the value of each, and a barrier."""

    size: int
    values: list[Any] = field(init=False)
    barrier: threading.Barrier = field(init=False)

    def __post_init__(self) -> None:
        self.values = [None] * self.size
        self.barrier = threading.Barrier(self.size, timeout=120)


@dataclass
class ThreadGroup:
    """One rank. Values are pickled, as between processes; ranks that call different methods fail."""

    rank: int
    exchange: Exchange
    calls: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.exchange.size

    def gather(self, value: T) -> list[T] | None:
        found = self._exchanged("gather", value)
        return found if self.rank == 0 else None

    def all_gather(self, value: T) -> list[T]:
        return self._exchanged("all_gather", value)

    def broadcast(self, value: T) -> T:
        return self._exchanged("broadcast", value)[0]

    def _exchanged(self, method: str, value: T) -> list[T]:
        self.calls.append(method)
        self.exchange.values[self.rank] = pickle.dumps((method, value))
        self.exchange.barrier.wait()
        found = [pickle.loads(each) for each in self.exchange.values]
        self.exchange.barrier.wait()  # all have read before the next exchange
        assert {each for each, _ in found} == {method}, "ranks make different calls"
        return [each for _, each in found]


def on_ranks(size: int, program: Callable[[ThreadGroup], T]) -> list[T]:
    """Run a program on every rank and return the results.

    Raises:
        Exception: the first error of a rank; the others leave at their next exchange, as those of a run do.
    """
    exchange = Exchange(size)

    def run(rank: int) -> T:
        try:
            return program(ThreadGroup(rank, exchange))
        except BaseException:
            exchange.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(run, rank) for rank in range(size)]
    errors = [error for future in futures if (error := future.exception())]
    for error in sorted(errors, key=lambda each: isinstance(each, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]

"""Ranks as threads of one process: the real protocol of ``core.processes.group`` over a store in memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from torch._C._distributed_c10d import HashStore

from goldieval.core.processes.group import Processes
from goldieval.core.processes.liveness import Member

T = TypeVar("T")


class Exchange:
    """Values of threads that meet at a barrier."""

    def __init__(self, size: int) -> None:
        self.values: list[Any] = [None] * size
        self.barrier = threading.Barrier(size)


class ThreadTransport:
    """A ``core.group.Group`` of threads."""

    def __init__(self, rank: int, size: int, exchange: Exchange) -> None:
        self.rank, self.size, self._exchange = rank, size, exchange

    def all_gather(self, value: T) -> list[T]:
        self._exchange.values[self.rank] = value
        self._exchange.barrier.wait(20)
        values = list(self._exchange.values)
        self._exchange.barrier.wait(20)
        return values

    def gather(self, value: T) -> list[T] | None:
        values = self.all_gather(value)
        return values if self.rank == 0 else None

    def broadcast(self, value: T) -> T:
        return self.all_gather(value)[0]


def run_ranks(size: int, work: Callable[[Processes], Any], machine: str = "here", process: int = 0) -> list[Any]:
    """Return what ``work`` returns or raises on each rank.

    Args:
        size: number of ranks.
        work: called with the group of each rank, in a thread of its own.
        machine: identity of the machine of all ranks.
        process: process id of all ranks; by default that of this process.
    """
    store, exchange = HashStore(), Exchange(size)
    members = [Member(rank, f"host{rank}", machine, process or os.getpid()) for rank in range(size)]
    results: list[Any] = [None] * size

    def run(rank: int) -> None:
        group = Processes(store, ThreadTransport(rank, size, exchange), members, rank)
        try:
            results[rank] = work(group)
        except BaseException as error:
            results[rank] = error
        group.leave(str(results[rank]) if isinstance(results[rank], KeyboardInterrupt) else "")

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a rank hangs"
    return results

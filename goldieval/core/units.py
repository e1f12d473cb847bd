"""Units of computation whose results do not depend on the number of threads.

A matrix product or a sum that several threads share is split, and rounded, according to their number. A unit (a batch,
a tile, a picture) is therefore computed by one thread, and several units are computed at a time. On a CPU this is also
faster than threads within a product; on an accelerator, units are computed one after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from threading import local
from typing import TYPE_CHECKING, Protocol, TypeVar

from goldieval.core.threads import thread_pool

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


class Units(Protocol):
    """Yields every item with the function's result, in order."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]: ...


_outside = local()  # its ``threads``: torch's number of threads outside of the thread's ``one_thread`` blocks


def thread_count() -> int:
    """Return the number of threads that the caller may use: torch's, as it is outside of any ``one_thread`` block.

    Within a unit it is 1.
    """
    import torch

    return getattr(_outside, "threads", None) or torch.get_num_threads()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside the block, in torch as well as in the BLAS of NumPy and SciPy."""
    import torch

    before, outside = torch.get_num_threads(), getattr(_outside, "threads", None)
    _outside.threads = thread_count()
    torch.set_num_threads(1)
    try:
        with _pools().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
        _outside.threads = outside


def units(
    function: Callable[[Item], Result], items: Iterable[Item], device: str, workers: int | None
) -> Iterator[tuple[Item, Result]]:
    """Yield every item with the function's result, in order.

    On a CPU, ``workers`` threads compute one item each; items are taken one at a time, at most ``workers`` + 1 ahead of
    the consumer. On an accelerator the caller's thread computes one item after the other.

    Args:
        function: computes one unit; it must enter ``torch.inference_mode`` or ``torch.no_grad`` itself, which are
            settings of a thread.
        items: the units.
        device: device of the computation.
        workers: number of threads; None for a function that several threads must not call at a time: items are
            computed one after the other, and their last bits depend on the number of torch's threads.
    """
    with unit_pool(device, workers) as run:
        yield from run(function, items)


@contextmanager
def unit_pool(device: str, workers: int | None) -> Iterator[Units]:
    """Open the threads of ``units`` for several calls; the function that computes units is yielded."""
    if workers is None or not device.startswith("cpu"):
        yield _one_by_one
        return
    with one_thread():
        if workers == 1:
            yield _one_by_one
            return
        with thread_pool(workers, initializer=_use_one_thread) as pool:
            yield partial(_in_threads, pool, workers)


def _one_by_one(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    return ((item, function(item)) for item in items)


def _in_threads(
    pool: ThreadPoolExecutor, workers: int, function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[Item, Result]]:
    """Yield items with results, in order; if the consumer or an item fails, units that have not begun are dropped."""
    pending: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            pending.append((item, pool.submit(function, item)))
            if len(pending) > workers:
                first, future = pending.popleft()
                yield first, future.result()
        while pending:
            first, future = pending.popleft()
            yield first, future.result()
    finally:
        for _, future in pending:
            future.cancel()


def _use_one_thread() -> None:
    """Use one thread within the calling thread: torch keeps the number for each thread."""
    import torch

    torch.set_num_threads(1)


@cache
def _pools() -> ThreadpoolController:
    """Return the thread pools of the process, including that of SciPy's linear algebra; finding them takes 20 ms."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

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
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside the block, in torch as well as in the BLAS of NumPy and SciPy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _pools().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def units(
    function: Callable[[Item], Result], items: Iterable[Item], device: str, workers: int
) -> Iterator[tuple[Item, Result]]:
    """Yield every item with the function's result, in order.

    On a CPU, ``workers`` threads compute one item each; items are taken one at a time, at most ``workers`` + 1 ahead of
    the consumer. On an accelerator the caller's thread computes one item after the other.

    Args:
        function: computes one unit; it must enter ``torch.inference_mode`` itself, which is a setting of a thread.
        items: the units.
        device: device of the computation.
        workers: number of threads.
    """
    if not device.startswith("cpu"):
        yield from ((item, function(item)) for item in items)
        return
    with one_thread():
        if workers == 1:
            yield from ((item, function(item)) for item in items)
            return
        with ThreadPoolExecutor(workers, initializer=_use_one_thread) as pool:
            pending: deque[tuple[Item, Future[Result]]] = deque()
            try:
                for item in items:
                    pending.append((item, pool.submit(function, item)))
                    if len(pending) > workers:
                        first, future = pending.popleft()
                        yield first, future.result()
                for first, future in pending:
                    yield first, future.result()
            finally:  # after an error or Ctrl-C, what has not begun does not begin
                pool.shutdown(wait=False, cancel_futures=True)


def _use_one_thread() -> None:
    """Use one thread within the calling thread: torch keeps the number for each thread."""
    import torch

    torch.set_num_threads(1)


@cache
def _pools() -> ThreadpoolController:
    """Return the thread pools of the process, including that of SciPy's linear algebra; finding them takes 20 ms."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

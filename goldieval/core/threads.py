"""Computation in threads ahead of the consumer, with a limit on the results held in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[tuple[Item, Result]]:
    """Yield every item with the function's result, in order, while threads work on the following items.

    Args:
        function: Called once per item, in a thread; its exceptions are raised here.
        items: Taken one at a time.
        workers: Number of threads; at most two more results than that are held at a time.
    """
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            pending.append((item, pool.submit(function, item)))
            if len(pending) > workers + 1:
                first, future = pending.popleft()
                yield first, future.result()
        for first, future in pending:
            yield first, future.result()

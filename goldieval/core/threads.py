"""Computation in threads ahead of the consumer, with a limit on the results held in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Batch = TypeVar("Batch")
Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def thread_pool(workers: int, **options: Any) -> Iterator[ThreadPoolExecutor]:
    """Open threads for a generator; they are waited for at the end, except where it is closed before its end.

    The garbage collector may close a generator, in any thread and while that thread starts. Python would then hold the
    lock that joining another thread needs.

    Args:
        workers: Number of threads.
        options: Further arguments of ``ThreadPoolExecutor``.
    """
    pool, is_closed = ThreadPoolExecutor(workers, **options), False
    try:
        yield pool
    except GeneratorExit:
        is_closed = True
        raise
    finally:
        pool.shutdown(wait=not is_closed, cancel_futures=is_closed)


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[tuple[Item, Result]]:
    """Yield every item with the function's result, in order, while threads work on the following items.

    Args:
        function: Called once per item, in a thread; its exceptions are raised here.
        items: Taken one at a time.
        workers: Number of threads; at most two more results than that are held at a time.
    """
    with thread_pool(workers) as pool:
        pending: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            pending.append((item, pool.submit(function, item)))
            if len(pending) > workers + 1:
                first, future = pending.popleft()
                yield first, future.result()
        for first, future in pending:
            yield first, future.result()


def batches_ahead(
    submit: Callable[[Sequence[Item]], Sequence[Future[Result]]],
    batches: Iterable[tuple[Batch, Sequence[Item]]],
    most: int,
) -> Iterator[tuple[Batch, list[Result]]]:
    """Yield every batch with the results of its items, in order, while the items of later batches are worked on.

    Work never drains between batches: as many further items are submitted as ``most`` allows.

    Args:
        submit: Starts the work on some items and returns their futures; an exception of one is raised here.
        batches: The batches with their items, taken one at a time.
        most: Number of items of later batches at which no further batch is taken.
    """
    pending: deque[tuple[Batch, Sequence[Future[Result]]]] = deque()
    held = 0
    try:
        for batch, items in batches:
            pending.append((batch, submit(items)))
            held += len(items)
            while pending and held - len(pending[0][1]) >= most:
                first, futures = pending.popleft()
                held -= len(futures)
                yield first, [future.result() for future in futures]
        while pending:
            first, futures = pending.popleft()
            yield first, [future.result() for future in futures]
    finally:
        for _, futures in pending:
            for future in futures:
                future.cancel()

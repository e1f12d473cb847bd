"""Calls that wait in compiled code, made in a thread of their own: the main thread receives Ctrl-C and signals."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


def started(call: Callable[[], T]) -> Future[T]:
    """Start a call in a thread that does not keep the process alive."""
    future: Future[T] = Future()
    threading.Thread(target=_complete, args=(future, call), daemon=True).start()
    return future


def result_of(future: Future[T], every_s: float, meanwhile: Callable[[], object] = lambda: None) -> T:
    """Wait for a call, and return what it returns or raise what it raises.

    Args:
        future: the call.
        every_s: time in seconds between two looks.
        meanwhile: called after every look at a call that has not ended.
    """
    while not wait([future], every_s).done:
        meanwhile()
    return future.result()


def _complete(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)

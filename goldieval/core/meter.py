"""Progress of long work, independent of how it is displayed.

Code that takes long opens a meter with ``metered``. What displays it is set once by ``displaying``, around the whole
work: nothing has to be passed through the functions between, and without a display a meter does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

from goldieval.core.stop import check_stop

T = TypeVar("T")


class Meter(Protocol):
    """Progress of one piece of work, counted in items."""

    def advance(self, count: int) -> None:
        """Report that ``count`` more items are done."""

    def waiting(self) -> None:
        """Report that another process is doing the rest, and that this one waits for it."""


class SilentMeter:
    """A meter without output."""

    def advance(self, count: int) -> None:
        pass

    def waiting(self) -> None:
        pass


class StoppableMeter:
    """A meter after whose steps the work may be stopped, see ``core.stop``."""

    def __init__(self, meter: Meter) -> None:
        """Wrap a meter.

        Args:
            meter: shows the progress.
        """
        self._meter = meter

    def advance(self, count: int) -> None:
        """Report progress. Raises StoppedRunError if stop was requested."""
        self._meter.advance(count)
        check_stop()

    def waiting(self) -> None:
        """Report waiting. Raises StoppedRunError if stop was requested."""
        self._meter.waiting()
        check_stop()


Display = Callable[[str, int], AbstractContextManager[Meter]]
_display: ContextVar[Display | None] = ContextVar("display", default=None)


@contextmanager
def displaying(display: Display) -> Iterator[None]:
    """Display the meters that are opened in this context.

    Args:
        display: opens a meter, given what is done and the number of items.
    """
    before = _display.set(display)
    try:
        yield
    finally:
        _display.reset(before)


@contextmanager
def metered(what: str, total: int) -> Iterator[Meter]:
    """Open a meter of one piece of work, which can be stopped at each of its steps.

    Its ``advance`` may be called from several threads.

    Args:
        what: what is done, such as ``reading images``.
        total: number of items.
    """
    display = _display.get()
    if display is None or total == 0:
        yield StoppableMeter(SilentMeter())
        return
    with display(what, total) as meter:
        yield StoppableMeter(meter)


def tracked(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yield items, and report each as done when the next one is requested."""
    with metered(what, total) as meter:
        for item in items:
            yield item
            meter.advance(1)

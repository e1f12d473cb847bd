"""Display of progress: one group of bars on a terminal; elsewhere plain lines at intervals that grow with the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn

from goldieval.core.display import Console, Text
from goldieval.core.meter import Meter
from goldieval.report.numbers import duration

BAR_AFTER_S = 0.5  # shorter work has no bar
FIRST_LINE_S, LAST_INTERVAL_S = 10.0, 300.0
SHARE = 0.1  # of the time so far, after which the next line follows


class ProgressDisplay:
    """Opens meters on a console; see ``core.meter.displaying``."""

    def __init__(self, console: Console) -> None:
        """Set the console.

        Args:
            console: where bars or lines are printed.
        """
        self._console = console
        self._bars: Progress | None = None
        self._open = 0

    @contextmanager
    def meter(self, what: str, total: int, summarised: bool = False) -> Iterator[Meter]:
        """Open a meter. Meters may be nested.

        Args:
            what: what is done, such as ``reading images``.
            total: number of items.
            summarised: whether the plain output has a line at the end however short the work was.
        """
        if not self._console.is_terminal:
            yield PlainMeter(self._console, what, total, summarised)
            return
        bar = _Bar(self._shown_bars(), what, total)
        try:
            yield bar
        finally:
            bar.close()
            self._release_bars()

    def _shown_bars(self) -> Progress:
        self._open += 1
        if self._bars is None:
            self._bars = _bars(self._console)
            self._bars.start()
        return self._bars

    def _release_bars(self) -> None:
        self._open -= 1
        if self._bars is not None and not self._open:
            self._bars.stop()
            self._bars = None


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(rate_text(task.speed) if task.speed else "–/s")


class _Done(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{int(task.completed):,}/{int(task.total or 0):,}")


def _bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), _Done(), _Rate())
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True)


class _Bar:
    """A bar that is visible once the work has taken a moment."""

    def __init__(self, bars: Progress, what: str, total: int) -> None:
        self._bars, self._what, self._start = bars, what, time.monotonic()
        self._task = bars.add_task(what, total=total, visible=False)

    def advance(self, count: int) -> None:
        self._show(self._what)
        self._bars.advance(self._task, count)

    def waiting(self) -> None:
        self._show(f"{self._what}, waiting for another process")

    def close(self) -> None:
        self._bars.remove_task(self._task)

    def _show(self, description: str) -> None:
        visible = time.monotonic() - self._start >= BAR_AFTER_S
        self._bars.update(self._task, description=description, visible=visible)


class LineClock:
    """Tells when the next line about some work is due: after 10 s, then at intervals that grow to five minutes.

    Attributes:
        has_struck: whether a line was due so far.
    """

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._next = self._start + FIRST_LINE_S
        self.has_struck = False

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._start

    def strikes(self) -> bool:
        """Return whether a line is due now; the next one is due after another interval."""
        now = time.monotonic()
        if now < self._next:
            return False
        self.has_struck = True
        self._next = now + min(max(SHARE * (now - self._start), FIRST_LINE_S), LAST_INTERVAL_S)
        return True


class PlainMeter:
    """Prints lines for logs, see ``LineClock``."""

    def __init__(self, console: Console, what: str, total: int, summarised: bool = False) -> None:
        """Start the clock.

        Args:
            console: where the lines are printed.
            what: what is done.
            total: number of items.
            summarised: whether there is a line at the end however short the work was.
        """
        self._console, self._what, self._total, self._summarised = console, what, total, summarised
        self._done, self._clock, self._lock = 0, LineClock(), threading.Lock()

    def advance(self, count: int) -> None:
        if not count:
            return
        with self._lock:
            self._done += count
            finished = self._done >= self._total and (self._summarised or self._clock.has_struck)
            if finished or self._clock.strikes():
                self._console.print(Text(progress_line(self._what, self._done, self._total, self._clock.seconds)))

    def waiting(self) -> None:
        with self._lock:
            if self._clock.strikes():
                self._console.print(Text(f"{self._what}: waiting for another process"))


def progress_line(what: str, done: int, total: int, seconds: float) -> str:
    """Return the state of some work with its rate and the time that is left, or that it took.

    Args:
        what: what is done.
        done: number of items that are done, at least 1.
        total: number of items.
        seconds: time so far.

    >>> progress_line("encoding images", 3000, 10000, 73.0)
    'encoding images: 3,000 of 10,000, 41/s, 2 min 50 s left'
    >>> progress_line("encoding images", 10000, 10000, 244.0)
    'encoding images: 10,000 of 10,000, 41/s, took 4 min 4 s'
    """
    rate = done / max(seconds, 1e-9)
    rest = f"took {duration(seconds)}" if done >= total else f"{duration((total - done) / rate)} left"
    return f"{what}: {done:,} of {total:,}, {rate_text(rate)}, {rest}"


def rate_text(rate: float) -> str:
    """Return a rate, also one below one per second.

    >>> rate_text(1234.4), rate_text(3.21), rate_text(0.04)
    ('1,234/s', '3.2/s', '2.4/min')
    """
    if rate >= 10:
        return f"{rate:,.0f}/s"
    return f"{rate:.1f}/s" if rate >= 0.1 else f"{60 * rate:.1f}/min"

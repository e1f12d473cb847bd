"""Progress reports of a run. The implementation for terminals is in ``report``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from goldieval.core.meter import Meter, SilentMeter

if TYPE_CHECKING:
    from goldieval.engine.plan import Plan
    from goldieval.records.schema import Record


class Reporter:
    """Reports failures as Python warnings and nothing else; a subclass shows everything on a terminal."""

    def note(self, line: str) -> None:
        """Report something that the user should know while it happens."""

    def model_failed(self, spec: str, reason: str) -> None:
        """Report that one of several models cannot be evaluated; the others are."""
        warnings.warn(f"model {spec} was not evaluated: {reason}", stacklevel=2)

    def card_unreadable(self, reason: str, requested: bool) -> None:
        """Report that a card cannot be read.

        Args:
            reason: the error message.
            requested: whether the run requested it, so that the run is incomplete.
        """
        if requested:
            warnings.warn(f"a card was left out: {reason}", stacklevel=2)

    def plan(self, plan: Plan) -> None:
        """Show the whole plan before any work is done."""

    def meter(self, what: str, total: int) -> AbstractContextManager[Meter]:
        """Show the progress of one phase of the work with the model.

        Args:
            what: what is done, such as ``encoding images``.
            total: number of items.
        """
        return nullcontext(SilentMeter())

    def display(self, what: str, total: int) -> AbstractContextManager[Meter]:
        """Show the progress of other work, such as reading, scoring and resampling, if it takes long.

        Args:
            what: what is done.
            total: number of items.
        """
        return nullcontext(SilentMeter())

    def wrote(self, record: Record, path: Path) -> None:
        """Report that a record was written."""

    def finished(self, plan: Plan, records: list[Record]) -> None:
        """Show the scores of one model, the tasks that were not run, and the next command."""


class SilentReporter(Reporter):
    """Reports nothing, on ranks other than 0."""

    def model_failed(self, spec: str, reason: str) -> None:
        pass

    def card_unreadable(self, reason: str, requested: bool) -> None:
        pass


class RankReporter(Reporter):
    """Passes everything on to another reporter, and all progress to the ranks that may wait for this one."""

    def __init__(self, reporter: Reporter, progressed: Callable[[], None]) -> None:
        """Wrap a reporter.

        Args:
            reporter: shows the progress.
            progressed: called for every piece of work that is done.
        """
        self._reporter, self._progressed = reporter, progressed

    def note(self, line: str) -> None:
        self._reporter.note(line)

    def model_failed(self, spec: str, reason: str) -> None:
        self._reporter.model_failed(spec, reason)

    def card_unreadable(self, reason: str, requested: bool) -> None:
        self._reporter.card_unreadable(reason, requested)

    def plan(self, plan: Plan) -> None:
        self._reporter.plan(plan)

    def wrote(self, record: Record, path: Path) -> None:
        self._reporter.wrote(record, path)

    def finished(self, plan: Plan, records: list[Record]) -> None:
        self._reporter.finished(plan, records)

    @contextmanager
    def meter(self, what: str, total: int) -> Iterator[Meter]:
        with self._reporter.meter(what, total) as meter:
            yield _WatchedMeter(meter, self._progressed)

    @contextmanager
    def display(self, what: str, total: int) -> Iterator[Meter]:
        with self._reporter.display(what, total) as meter:
            yield _WatchedMeter(meter, self._progressed)


class _WatchedMeter:
    """A meter whose progress is also reported elsewhere."""

    def __init__(self, meter: Meter, progressed: Callable[[], None]) -> None:
        self._meter, self._progressed = meter, progressed

    def advance(self, count: int) -> None:
        self._progressed()
        self._meter.advance(count)

    def waiting(self) -> None:
        self._meter.waiting()

"""Progress reports of a run. The implementation for terminals is in ``report``."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
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

"""What a run reports while it works. The version for terminals is in ``report``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from goldieval.core.meter import Meter, SilentMeter

if TYPE_CHECKING:
    from goldieval.engine.plan import Plan
    from goldieval.records.schema import Record


class Reporter:
    """Reports nothing but what would be missed, as a Python warning; a subclass shows everything on a terminal."""

    def note(self, line: str) -> None:
        """Something the user should know while it happens."""

    def model_failed(self, spec: str, reason: str) -> None:
        """One of several models cannot be evaluated; the others go on."""
        warnings.warn(f"model {spec} was not evaluated: {reason}", stacklevel=2)

    def card_unreadable(self, why: str, asked: bool) -> None:
        """A card cannot be read; asked: the user wanted it, so the run is not whole."""
        if asked:
            warnings.warn(f"a card was left out: {why}", stacklevel=2)

    def plan(self, plan: Plan) -> None:
        """The whole plan, before any work."""

    @contextmanager
    def meter(self, unit: str, total: int) -> Iterator[Meter]:
        """Show the progress of one piece of work; ``unit`` says what is counted."""
        yield SilentMeter()

    def wrote(self, record: Record, path: Path) -> None:
        """A record is on disk."""

    def finished(self, plan: Plan, records: list[Record]) -> None:
        """The scores of one model, what was not run, what to do next."""

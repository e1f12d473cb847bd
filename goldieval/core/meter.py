"""Progress reports of long work, independent of how they are displayed."""

from __future__ import annotations

from typing import Protocol


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

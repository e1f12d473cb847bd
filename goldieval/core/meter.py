"""How work that takes long reports its progress, whoever shows it."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Progress of one piece of work, counted in items."""

    def advance(self, count: int) -> None:
        """Report that ``count`` more items are done."""

    def waiting(self) -> None:
        """Report that the rest is being done by another process, which is waited for."""


class SilentMeter:
    """A meter that shows nothing."""

    def advance(self, count: int) -> None:
        pass

    def waiting(self) -> None:
        pass

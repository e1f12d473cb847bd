"""Warnings on stderr: one line each, and a count where there are many."""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.core.display import Console

MAX_LINES = 20


def warn(faults: Sequence[str], limit: int = MAX_LINES) -> None:
    """Print each fault as a warning."""
    console = Console(stderr=True, soft_wrap=True)
    for fault in faults[:limit]:
        console.print(f"warning: {fault}")
    if len(faults) > limit:
        console.print(f"warning: and {len(faults) - limit:,} more")

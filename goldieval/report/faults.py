"""Warnings on stderr: one line each, and a count where there are many."""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.core.display import Console

MOST = 20


def warn(faults: Sequence[str], most: int = MOST) -> None:
    """Print each fault as a warning."""
    console = Console(stderr=True, soft_wrap=True)
    for fault in faults[:most]:
        console.print(f"warning: {fault}")
    if len(faults) > most:
        console.print(f"warning: and {len(faults) - most:,} more of that kind")

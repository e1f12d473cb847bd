"""Drawings for pages as SVG: an interval as a bar."""

from __future__ import annotations


def interval_bar(
    value: float, low: float | None, high: float | None, chance: float | None = None, ceiling: float | None = None
) -> str:
    """Return a bar of 0 to 1 with a score, its interval, and ticks at chance and ceiling; all are fractions."""
    at, start, end = (
        round(100 * min(max(place, 0.0), 1.0), 1)
        for place in (value, value if low is None else low, value if high is None else high)
    )
    ticks = "".join(f"M{round(100 * place, 1):g} 1V9" for place in (chance, ceiling) if place is not None)
    tick = f'<path d="{ticks}" class=tick />' if ticks else ""
    return (
        f'<svg class=bar viewBox="-3 0 106 10" aria-hidden=true><path d="M0 5H100" class=rail />{tick}'
        f'<path d="M{start:g} 5H{end:g}" class=ci /><circle cx={at:g} cy=5 r=2.6 /></svg>'
    )

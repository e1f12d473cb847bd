"""Drawings for pages as SVG: an interval as a bar."""

from __future__ import annotations


def interval_bar(value: float, low: float | None, high: float | None) -> str:
    """Return a bar of 0 to 1 with a score and its interval; all are fractions."""
    x = [
        round(100 * min(max(end, 0.0), 1.0), 1)
        for end in (value, value if low is None else low, value if high is None else high)
    ]
    return (
        f'<svg class=bar viewBox="0 0 100 10" aria-hidden=true><path d="M0 5H100" class=rail />'
        f'<path d="M{x[1]:g} 5H{x[2]:g}" class=ci /><circle cx={x[0]:g} cy=5 r=2.6 /></svg>'
    )

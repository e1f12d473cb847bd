"""Drawings for pages as SVG, with escaped text: an interval as a bar, and the data-efficiency plot."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from goldieval.report.efficiency import Efficiency, EfficiencyPoint
from goldieval.report.formats.html import escape

WIDTH, HEIGHT, LEFT, BOTTOM = 520, 330, 48, 40


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


def efficiency_plot(plot: Efficiency, axis: str, title: str) -> str:
    """Return scores against ``axis`` (unique_pairs or images_seen) on a logarithmic scale; empty without points."""
    points = [point for point in plot.points if getattr(point, axis)]
    if not points:
        return ""
    xs = [log10(getattr(point, axis)) for point in points]
    ys = [end for point in points for end in (point.score, point.low, point.high) if end is not None]
    across, up = _Scale(xs, LEFT, WIDTH - 20), _Scale(ys, HEIGHT - BOTTOM, 14)
    parts = [f'<svg class=plot viewBox="0 0 {WIDTH} {HEIGHT}" role=img><title>{escape(plot.title)}</title>']
    parts += _axes(across, up, title, plot.title)
    parts += [_point(point, across.place(log10(getattr(point, axis))), up) for point in points]
    return "".join([*parts, "</svg>"])


class _Scale:
    """A linear map from data to pixels, with a margin on both sides."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        room = max(max(values) - min(values), 0.2) * 0.08
        self.low, self.high = min(values) - room, max(values) + room
        self.start, self.end = start, end

    def place(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def _axes(across: _Scale, up: _Scale, x_title: str, y_title: str) -> list[str]:
    parts = [f'<path class=axis d="M{LEFT} 10V{HEIGHT - BOTTOM}H{WIDTH - 10}"/>']
    for power in range(int(across.low), int(across.high) + 2):
        if across.low <= power <= across.high:
            parts.append(
                f"<text x={across.place(power)} y={HEIGHT - BOTTOM + 15} text-anchor=middle>{_count(power)}</text>"
            )
    step = next(size for size in (1, 2, 5, 10, 20, 50) if (up.high - up.low) / size <= 8)
    for tick in range(int(up.low // step) * step, int(up.high) + step, step):
        if up.low <= tick <= up.high:
            parts.append(f"<text x={LEFT - 6} y={up.place(tick) + 3} text-anchor=end>{tick}</text>")
    parts.append(f"<text x={WIDTH / 2} y={HEIGHT - 8} text-anchor=middle>{escape(x_title)}</text>")
    return [*parts, f"<text x=6 y=10 class=small>{escape(y_title)}, %</text>"]


def _count(power: int) -> str:
    """Return a power of ten as text.

    >>> _count(3), _count(7), _count(10)
    ('1k', '10M', '10B')
    """
    unit = {0: "", 1: "k", 2: "M", 3: "B", 4: "T"}[power // 3]
    return f"{10 ** (power % 3)}{unit}"


def _point(point: EfficiencyPoint, x: float, up: _Scale) -> str:
    line = ""
    if point.low is not None and point.high is not None:
        line = f'<path class=ci d="M{x} {up.place(point.low)}V{up.place(point.high)}"/>'
    name, y = escape(point.label), up.place(point.score)
    return (
        f"<g class={point.kind}>{line}<circle cx={x} cy={y} r=4><title>{name}: {point.score:.1f}</title></circle>"
        f"<text x={x + 6} y={y + 3} class=small>{name}</text></g>"
    )

"""The data-efficiency plot as inline SVG for pages: every name is escaped, and the colours follow the page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import cos, log10, pi, sin

from goldieval.report.efficiency import Efficiency
from goldieval.report.efficiency_legend import (
    INK,
    Style,
    by_importance,
    common_beginning,
    count_text,
    frontier_line,
    label_texts,
    legend_remarks,
    styles,
    x_range,
    x_ticks,
    y_range,
    y_ticks,
)
from goldieval.report.efficiency_point import EfficiencyPoint
from goldieval.report.formats.html import escape
from goldieval.report.label_places import Box, Label, Place, place_labels
from goldieval.report.svg_text import cut_to, svg_text, text_width

WIDTH, PLOT_HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560.0, 300.0, 46.0, 550.0, 24.0, 262.0
LEGEND_TOP, LEGEND_ROW, KEY = 312.0, 17.0, 16.0
FRONTIER, CHANCE = "stroke-opacity=.5", 'stroke-opacity=.7 stroke-dasharray="1 3"'
TICK_SIZE, LABEL_SIZE, RADIUS = 11.0, 10.0, 4.0
CORNERS = {"square": (4, pi / 4), "diamond": (4, 0.0), "triangle-up": (3, -pi / 2), "triangle-down": (3, pi / 2),
           "pentagon": (5, -pi / 2), "hexagon": (6, 0.0)}  # fmt: skip
"""Number of corners of the markers that are regular, and the angle of the first."""

_STROKES = {"plus": ((RADIUS, 0.0), (0.0, RADIUS)), "cross": ((3.0, 3.0), (3.0, -3.0))}
"""Half of each stroke of the markers that are strokes, in pixels."""


def efficiency_plot(plot: Efficiency, axis: str, title: str) -> str:
    """Return scores against ``axis`` (unique_pairs or images_seen) on a logarithmic scale; empty without points."""
    points = plot.on(axis)
    if not points:
        return ""
    of_all, entries = styles(plot.points)
    style_of = {(point.kind, point.name): style for point, style in zip(plot.points, of_all, strict=True)}
    of_points = [style_of[point.kind, point.name] for point in points]
    low, high = x_range([getattr(point, axis) for point in points])
    across = _Scale(log10(low), log10(high), LEFT, RIGHT)
    up = _Scale(*y_range(points), BOTTOM, TOP)
    at = [(across.place(log10(getattr(point, axis))), up.place(point.score)) for point in points]
    corners = [(across.place(log10(x)), up.place(y)) for x, y in frontier_line(points, axis, high)]
    legend, height = _legend([style for style in entries if style in of_points], plot, _chance_is_drawn(plot, up))
    parts = [
        f'<svg class=plot viewBox="0 0 {WIDTH:g} {height:g}" role=img><title>{escape(plot.title)} by {title}</title>',
        *_axes(across, up, title, plot.title),
        *_lines(plot, corners, up),
        *(_point(*each, up) for each in zip(points, of_points, at, strict=True)),
        *_labels(points, common_beginning(plot.points), at, corners, up),
        *legend,
    ]
    return "".join([*parts, "</svg>"])


class _Scale:
    """A linear map from data to pixels."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high, self.start, self.end = low, high, start, end

    def place(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def _axes(across: _Scale, up: _Scale, x_title: str, y_title: str) -> list[str]:
    parts = []
    for tick in x_ticks(10**across.low, 10**across.high):
        x = across.place(log10(tick))
        parts.append(f'<path d="M{x:g} {TOP:g}V{BOTTOM:g}" stroke=currentColor stroke-opacity=.12 />')
        parts.append(svg_text(x, BOTTOM + 15, count_text(tick), TICK_SIZE, "middle"))
    for height in y_ticks(up.low, up.high):
        y = up.place(height)
        parts.append(f'<path d="M{LEFT:g} {y:g}H{RIGHT:g}" stroke=currentColor stroke-opacity=.12 />')
        parts.append(svg_text(LEFT - 6, y + 4, f"{height:g}", TICK_SIZE, "end"))
    frame = f'<path class=axis d="M{LEFT:g} {TOP:g}V{BOTTOM:g}H{RIGHT:g}" fill=none stroke=currentColor />'
    heading = cut_to(f"{y_title} (%)", WIDTH - 8, TICK_SIZE)
    return [*parts, frame, svg_text((LEFT + RIGHT) / 2, BOTTOM + 33, x_title, TICK_SIZE, "middle"),
            svg_text(4, 12, heading, TICK_SIZE)]  # fmt: skip


def _lines(plot: Efficiency, corners: Sequence[tuple[float, float]], up: _Scale) -> list[str]:
    """Return the frontier, and the chance level where it is in the frame."""
    path = " ".join(f"{x:g},{y:g}" for x, y in corners)
    parts = [f'<polyline class=frontier points="{path}" fill=none stroke=currentColor {FRONTIER} />']
    if _chance_is_drawn(plot, up):
        y = up.place(plot.chance or 0.0)
        parts.append(f'<path d="M{LEFT:g} {y:g}H{RIGHT:g}" stroke=currentColor {CHANCE} />')
    return parts


def _chance_is_drawn(plot: Efficiency, up: _Scale) -> bool:
    return plot.chance is not None and up.low <= plot.chance <= up.high


def _point(point: EfficiencyPoint, style: Style, at: tuple[float, float], up: _Scale) -> str:
    """Return the marker with its interval; its name and numbers are shown while the pointer is over it."""
    x, y = at
    line = ""
    if point.low is not None and point.high is not None:
        line = f'<path class=ci d="M{x:g} {up.place(point.low):g}V{up.place(point.high):g}" stroke={style.colour} />'
    return f"<g class={point.kind}>{line}{_marker(style, x, y)}<title>{escape(_told(point))}</title></g>"


def _told(point: EfficiencyPoint) -> str:
    """Return what is known of a model in one line."""
    ends = f" ({point.low:.1f}–{point.high:.1f})" if point.low is not None and point.high is not None else ""
    counts = [(point.unique_pairs, "unique pairs"), (point.images_seen, "images seen")]
    known = [f"{count_text(count)} {what}" for count, what in counts if count]
    return f"{point.label}: {point.score:.1f}{ends}; {', '.join(known)}"


def _marker(style: Style, x: float, y: float) -> str:
    """Return a marker; a hollow one has a transparent inside, so that the pointer finds it."""
    colour = "currentColor" if style.colour == INK else style.colour
    paint = f'fill="{colour if style.filled else "transparent"}" stroke="{colour}" stroke-width="1.4"'
    if style.shape in CORNERS:
        count, first = CORNERS[style.shape]
        angles = [first + 2 * pi * corner / count for corner in range(count)]
        corners = " ".join(
            f"{x + 1.2 * RADIUS * cos(angle):.1f},{y + 1.2 * RADIUS * sin(angle):.1f}" for angle in angles
        )
        return f'<polygon points="{corners}" {paint} />'
    if style.shape == "circle":
        return f"<circle cx={x:g} cy={y:g} r={RADIUS:g} {paint} />"
    strokes = "".join(f"M{x + dx:.1f} {y + dy:.1f}L{x - dx:.1f} {y - dy:.1f}" for dx, dy in _STROKES[style.shape])
    return f'<path d="{strokes}" fill=none stroke="{colour}" stroke-width="2" pointer-events=bounding-box />'


def _labels(
    points: Sequence[EfficiencyPoint],
    beginning: str,
    at: Sequence[tuple[float, float]],
    corners: Sequence[tuple[float, float]],
    up: _Scale,
) -> list[str]:
    """Return the labels that have a place, with lines to their points."""
    texts, order = label_texts(points, beginning), by_importance(points)
    wanted = [Label(*at[place], text_width(texts[place], LABEL_SIZE), 1.25 * LABEL_SIZE) for place in order]
    taken = [Box(min(x, u) - 1, min(y, v) - 1, max(x, u) + 1, max(y, v) + 1) for (x, y), (u, v) in pairwise(corners)]
    for point, (x, y) in zip(points, at, strict=True):
        ends = [up.place(point.score if end is None else end) for end in (point.low, point.high)]
        taken += [Box(x - 5, y - 5, x + 5, y + 5), Box(x - 1, min(ends), x + 1, max(ends))]
    places = place_labels(wanted, Box(LEFT + 2, TOP, RIGHT, BOTTOM - 2), taken)
    return [
        _label(texts[position], place, points[position])
        for position, place in zip(order, places, strict=True)
        if place is not None
    ]


def _label(text: str, place: Place, point: EfficiencyPoint) -> str:
    weight = " font-weight=600" if point.kind == "ours" else ""
    line = ""
    if place.line is not None:
        (x, y), (to_x, to_y) = place.line
        line = f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke=currentColor stroke-opacity=.5 />'
    x, baseline = place.box.left, place.box.low + 0.98 * LABEL_SIZE
    attributes = f'class=label x={x:.1f} y={baseline:.1f} font-size="{LABEL_SIZE:g}" fill=currentColor{weight}'
    return f"{line}<text {attributes}>{escape(text)}</text>"


def _legend(entries: Sequence[Style], plot: Efficiency, chance_is_drawn: bool) -> tuple[list[str], float]:
    """Return the legend below the plot in rows, and the height of the whole drawing."""
    keys: list[tuple[str, Style | str]] = [(style.text, style) for style in entries] + [("Pareto frontier", FRONTIER)]
    told: list[tuple[str, Style | str]] = [(remark, "") for remark in legend_remarks(plot, chance_is_drawn)]
    if chance_is_drawn:
        told.insert(0, (f"chance: {plot.chance:.2g} %", CHANCE))
    parts, x, y = [], LEFT, LEGEND_TOP
    for text, key in [*keys, *told]:
        shown = cut_to(text, WIDTH - LEFT - KEY - 8, TICK_SIZE)
        width = KEY * (key != "") + text_width(shown, TICK_SIZE) + 14
        if x + width > WIDTH and x > LEFT:
            x, y = LEFT, y + LEGEND_ROW
        if isinstance(key, Style):
            parts.append(_marker(key, x + 6, y - 4))
        elif key:
            parts.append(f'<path d="M{x:g} {y - 4:g}h12" stroke=currentColor {key} />')
        parts.append(svg_text(x + KEY * (key != ""), y, shown, TICK_SIZE))
        x += width
    return parts, y + 10

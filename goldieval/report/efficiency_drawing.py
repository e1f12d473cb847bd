"""The data-efficiency plot drawn with matplotlib, for the width of a page."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from goldieval.core.text import one_line
from goldieval.report.efficiency import AXES, Efficiency
from goldieval.report.efficiency_legend import (
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
from goldieval.report.figure_files import DOTS_PER_INCH, SETTINGS
from goldieval.report.label_places import Box, Label, Place, place_labels

WIDTH, PANEL_HEIGHT, LEGEND_ROW = 7.0, 3.1, 0.17  # inches; the width is that of the text of a page
MARKERS = {"circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "triangle-down": "v", "pentagon": "p",
           "hexagon": "h", "plus": "P", "cross": "X"}  # fmt: skip
MARKER_POINTS = 5.0
LABEL_POINTS = 6.5


@dataclass
class Drawing:
    """A figure and what became of its labels.

    Attributes:
        figure: the figure.
        labels: the texts that have a place, as artists of matplotlib.
        unlabelled: names of the models that matter and whose label has no place on an axis.
    """

    figure: Any
    labels: list[Any] = field(default_factory=list)
    unlabelled: dict[str, None] = field(default_factory=dict)


def draw(plot: Efficiency) -> Drawing:
    """Draw one panel for each axis on which any point has a place, and one legend below them."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = {axis: points for axis in AXES if (points := plot.on(axis))}
    of_points, entries = styles(plot.points)
    style_of = {(point.kind, point.name): style for point, style in zip(plot.points, of_points, strict=True)}
    rows = (len(entries) + 3 + 2) // 3
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # it is drawn as a box
        figure = Figure(
            figsize=(WIDTH, PANEL_HEIGHT * len(panels) + LEGEND_ROW * rows + 0.1), dpi=DOTS_PER_INCH,
            layout="constrained",
        )  # fmt: skip
        FigureCanvasAgg(figure)
        drawn = []
        for number, (axis, points) in enumerate(panels.items()):
            axes = figure.add_subplot(len(panels), 1, number + 1)
            drawn.append((axes, axis, points))
            _panel(axes, axis, points, [style_of[point.kind, point.name] for point in points], plot)
        _legend(figure, entries, plot, any(_chance_is_drawn(plot, axes) for axes, _, _ in drawn))
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # nothing moves once labels have their places
        drawing = Drawing(figure)
        for axes, axis, points in drawn:
            _label(drawing, axes, axis, points, common_beginning(plot.points))
    return drawing


def _panel(axes: Any, axis: str, points: list[EfficiencyPoint], of_points: list[Style], plot: Efficiency) -> None:
    xs = [getattr(point, axis) for point in points]
    axes.set_xscale("log")
    axes.set_xlim(*x_range(xs))
    axes.set_ylim(*y_range(points))
    axes.set_xticks(x_ticks(*axes.get_xlim()), [count_text(tick) for tick in x_ticks(*axes.get_xlim())])
    axes.set_yticks(y_ticks(*axes.get_ylim()))
    axes.minorticks_off()
    axes.set_xlabel(AXES[axis])
    axes.set_ylabel(f"{one_line(plot.title)} (%)", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.plot(*zip(*frontier_line(points, axis, axes.get_xlim()[1]), strict=True), color="0.6", linewidth=0.8, zorder=1)
    if _chance_is_drawn(plot, axes):
        axes.axhline(plot.chance, color="0.4", linewidth=0.7, linestyle=":", zorder=1)
    for x, point, style in zip(xs, points, of_points, strict=True):
        if point.low is not None and point.high is not None:
            axes.plot([x, x], [point.low, point.high], color=style.colour, linewidth=1.2, zorder=2)
        axes.plot([x], [point.score], zorder=3 if style.filled else 2, **_marker(style))


def _chance_is_drawn(plot: Efficiency, axes: Any) -> bool:
    low, high = axes.get_ylim()
    return plot.chance is not None and bool(low <= plot.chance <= high)


def _marker(style: Style) -> dict[str, Any]:
    return {
        "marker": MARKERS[style.shape], "color": style.colour, "linestyle": "none", "markersize": MARKER_POINTS,
        "markerfacecolor": style.colour if style.filled else "none", "markeredgewidth": 0.9,
    }  # fmt: skip


def _legend(figure: Any, entries: list[Style], plot: Efficiency, chance_is_drawn: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **_marker(style)) for style in entries]
    texts = [style.text for style in entries]
    handles.append(Line2D([], [], color="0.6", linewidth=0.8))
    texts.append("Pareto frontier")
    if chance_is_drawn:
        handles.append(Line2D([], [], color="0.4", linewidth=0.7, linestyle=":"))
        texts.append(f"chance: {plot.chance:.2g} %")
    for remark in legend_remarks(plot, chance_is_drawn):
        handles.append(Line2D([], [], linestyle="none"))
        texts.append(remark)
    legend = figure.legend(handles, texts, loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _label(drawing: Drawing, axes: Any, axis: str, points: list[EfficiencyPoint], beginning: str) -> None:
    """Add the labels that have a place; a name is text, never mathematics, as which matplotlib reads $...$."""
    figure, scale = drawing.figure, 72 / drawing.figure.dpi  # from dots to points
    texts = label_texts(points, beginning)
    order = by_importance(points)
    at = [scale * axes.transData.transform((getattr(point, axis), point.score)) for point in points]
    artists = [_text(figure, texts[place], points[place]) for place in order]
    sizes = [artist.get_window_extent() for artist in artists]
    wanted = [
        Label(at[place][0], at[place][1], scale * size.width, scale * size.height)
        for place, size in zip(order, sizes, strict=True)
    ]
    frame = axes.get_window_extent()
    inside = Box(scale * frame.x0 + 1, scale * frame.y0 + 1, scale * frame.x1 - 1, scale * frame.y1 - 1)
    places = place_labels(wanted, inside, _taken(axes, axis, points, scale))
    for artist, position, place in zip(artists, order, places, strict=True):
        if place is None:
            artist.remove()
            drawing.unlabelled[texts[position]] = None
        else:
            _put(drawing, artist, place)


def _text(figure: Any, text: str, point: EfficiencyPoint) -> Any:
    from matplotlib.patheffects import withStroke

    weight = "bold" if point.kind == "ours" else "normal"
    written = figure.text(0, 0, text, fontsize=LABEL_POINTS, weight=weight, ha="left", va="bottom", parse_math=False)
    written.set_path_effects([withStroke(linewidth=2.5, foreground="white")])  # readable upon the line of chance
    return written


def _taken(axes: Any, axis: str, points: list[EfficiencyPoint], scale: float) -> list[Box]:
    """Return the boxes of markers, intervals and the frontier, in points."""
    corners = [scale * axes.transData.transform(corner) for corner in frontier_line(points, axis, axes.get_xlim()[1])]
    boxes = [_around(*start, *end) for start, end in pairwise(corners)]
    for point in points:
        x = getattr(point, axis)
        ends = [point.score if end is None else end for end in (point.low, point.score, point.high)]
        heights = [scale * axes.transData.transform((x, end))[1] for end in ends]
        middle, half = scale * axes.transData.transform((x, point.score))[0], MARKER_POINTS / 2
        boxes.append(Box(middle - half, heights[1] - half, middle + half, heights[1] + half))
        boxes.append(_around(middle, min(heights), middle, max(heights)))
    return boxes


def _around(x: float, y: float, to_x: float, to_y: float, half: float = 0.6) -> Box:
    """Return the box of a horizontal or vertical line."""
    return Box(min(x, to_x) - half, min(y, to_y) - half, max(x, to_x) + half, max(y, to_y) + half)


def _put(drawing: Drawing, artist: Any, place: Place) -> None:
    from matplotlib.lines import Line2D

    figure = drawing.figure
    size = figure.get_size_inches() * 72
    artist.set_position((place.box.left / size[0], place.box.low / size[1]))
    drawing.labels.append(artist)
    if place.line is not None:
        (x, y), (to_x, to_y) = place.line
        ends = [x / size[0], to_x / size[0]], [y / size[1], to_y / size[1]]
        figure.add_artist(Line2D(*ends, color="0.5", linewidth=0.5, zorder=1))

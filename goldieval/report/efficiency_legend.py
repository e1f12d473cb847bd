"""What the drawings of the data-efficiency plot share: groups of points, markers, texts of labels, ticks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from goldieval.core.text import one_line
from goldieval.report.efficiency import Efficiency
from goldieval.report.efficiency_point import EfficiencyPoint
from goldieval.report.short_names import shortened

MEASURED = "measured here, with 95 % interval"
OTHER = "other published"
IMPORTED = "imported from other harnesses"
SHAPES = ("square", "diamond", "triangle-up", "triangle-down", "pentagon", "hexagon", "plus", "cross")
INK = "#000000"
"""The colour of text, which a page in a dark scheme turns."""

COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#777777", INK, "#A6611A")
"""Okabe and Ito's colours, which colour-blind readers can tell apart; shapes do the same in greyscale."""

MEASURED_COLOUR = "#D55E00"
IMPORTED_COLOUR = "#777777"
LABEL_CELLS = 30
ELLIPSIS = "…"
UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"), (1, ""))


@dataclass(frozen=True)
class Style:
    """How the points of a group are drawn.

    Attributes:
        text: the entry of the legend.
        shape: name of the marker.
        colour: its colour.
        filled: whether it is filled; published points are hollow.
    """

    text: str
    shape: str
    colour: str
    filled: bool


def styles(points: Sequence[EfficiencyPoint]) -> tuple[list[Style], list[Style]]:
    """Return the style of each point, and the entries of the legend.

    Published models are grouped by the first word of their names, and by the scoring mode where it differs from that of
    the other points. Small groups share the last style.
    """
    groups = [_group(point) for point in points]
    published = Counter(group for group, point in zip(groups, points, strict=True) if point.kind == "published")
    largest = sorted(published, key=lambda group: (-published[group], group))
    named = largest if len(largest) <= len(SHAPES) else largest[: len(SHAPES) - 1]
    by_group = {
        group: Style(cut(one_line(group)), shape, colour, False)
        for group, shape, colour in zip(named, SHAPES, COLOURS, strict=False)
    }
    by_group[IMPORTED] = Style(IMPORTED, "circle", IMPORTED_COLOUR, False)
    by_group[MEASURED] = Style(MEASURED, "circle", MEASURED_COLOUR, True)
    rest = Style(OTHER, SHAPES[-1], COLOURS[-1], False)
    of_points = [by_group.get(group, rest) for group in groups]
    entries = [
        style
        for style in [by_group[MEASURED], *(by_group[group] for group in named), rest, by_group[IMPORTED]]
        if style in of_points
    ]
    return of_points, entries


def _group(point: EfficiencyPoint) -> str:
    if point.kind == "ours":
        return MEASURED
    if point.kind == "imported":
        return IMPORTED
    family = point.name.split()[0].rstrip(",") if point.name.split() else point.name
    return f"{family}, {point.other_scoring}" if point.other_scoring else family


def label_texts(points: Sequence[EfficiencyPoint], beginning: str) -> list[str]:
    """Return the text of each label; a long name is cut, and different models stay different.

    A measured model's scoring mode, if it is not that of the others, is never cut: it says why a point is not compared
    with them. That of a published model is in the legend.

    Args:
        points: the models.
        beginning: what the names of all measured models begin with, which is left out, see ``common_beginning``.
    """
    names = [_name(point, beginning) for point in points]
    short = shortened(names, LABEL_CELLS)
    modes = [f" ({point.other_scoring})" if point.kind == "ours" and point.other_scoring else "" for point in points]
    return [short[name] + one_line(mode) for name, mode in zip(names, modes, strict=True)]


def _name(point: EfficiencyPoint, beginning: str) -> str:
    """Return the name of a model, without the beginning that all measured models have."""
    is_cut = point.kind == "ours" and beginning
    return one_line(ELLIPSIS + point.name.removeprefix(beginning) if is_cut else point.name)


def legend_remarks(plot: Efficiency, chance_is_drawn: bool) -> list[str]:
    """Return the entries of the legend that have no marker: a chance level that is not drawn, and what labels lack."""
    beginning = common_beginning(plot.points)
    below = plot.chance is not None and not chance_is_drawn
    remarks = [f"chance: {plot.chance:.2g} %, outside"] if below else []
    return remarks + ([cut(f"{ELLIPSIS} = {one_line(beginning)}")] if beginning else [])


def cut(text: str, cells: int = 44) -> str:
    """Return a text that an entry of the legend has room for."""
    return shortened([text], cells)[text]


def common_beginning(points: Sequence[EfficiencyPoint]) -> str:
    """Return what the names of measured models begin with, such as a folder of checkpoints; empty where it is short."""
    names = {point.name for point in points if point.kind == "ours"}
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)
    same = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    beginning = first[: max(first.rfind(end, 0, same) for end in "/@:") + 1]
    return beginning if len(beginning) > len(ELLIPSIS) + 2 else ""


def by_importance(points: Sequence[EfficiencyPoint]) -> list[int]:
    """Return the positions of the points that get a label, the most important first."""
    ranked = [(point.rank, -point.score, position) for position, point in enumerate(points) if point.rank is not None]
    return [position for _, _, position in sorted(ranked)]


def frontier_line(points: Sequence[EfficiencyPoint], axis: str, end: float) -> list[tuple[float, float]]:
    """Return the corners of the Pareto frontier as a staircase up to the end of the axis."""
    front = sorted((getattr(point, axis), point.score) for point in points if point.frontier)
    corners: list[tuple[float, float]] = []
    for x, score in front:
        corners += [(x, corners[-1][1])] if corners else []
        corners.append((x, score))
    return [*corners, (end, corners[-1][1])] if corners else []


def x_range(values: Sequence[int]) -> tuple[float, float]:
    """Return the ends of a logarithmic axis, with room beside the outermost points; at least one decade."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.12 * (high - low), (1.0 - (high - low)) / 2, 0.1)
    return 10 ** (low - room), 10 ** (high + room)


def y_range(points: Sequence[EfficiencyPoint]) -> tuple[float, float]:
    """Return the ends of the axis of scores in percent, with room above and below."""
    ends = [end for point in points for end in (point.score, point.low, point.high) if end is not None]
    room = max(0.08 * (max(ends) - min(ends)), 0.5)
    return max(min(ends) - room, -1.0), min(max(ends) + room, 101.0)


def x_ticks(low: float, high: float) -> list[int]:
    """Return round numbers on a logarithmic axis: powers of ten, and 2 and 5 times them where there are few.

    >>> x_ticks(8e5, 3e10), x_ticks(3e5, 4e6)
    ([1000000, 10000000, 100000000, 1000000000, 10000000000], [500000, 1000000, 2000000])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5)):
        ticks = [round(factor * 10.0**power) for power in powers if power >= 0 for factor in factors]
        found = [tick for tick in ticks if low <= tick <= high]
        if len(found) >= 3:
            return found
    return found


def y_ticks(low: float, high: float) -> list[float]:
    """Return about six round numbers between two percentages.

    >>> y_ticks(22.1, 54.0), y_ticks(4.2, 5.1)
    ([25, 30, 35, 40, 45, 50], [4.2, 4.4, 4.6, 4.8, 5.0])
    """
    step = next(size for size in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if (high - low) / size <= 7)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 1) for number in range(max(first, 0), math.floor(high / step + 1e-9) + 1)]


def count_text(count: int) -> str:
    """Return a number of images as text.

    >>> count_text(12800), count_text(2820000), count_text(34 * 10**9)
    ('12.8k', '2.82M', '34B')
    """
    size, unit = next(each for each in UNITS if count >= each[0] or each[0] == 1)
    return f"{count / size:.3g}{unit}"

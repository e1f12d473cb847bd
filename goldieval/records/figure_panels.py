"""The panels of a figure of scores: what each shows, and how it is drawn."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.ticker import EngFormatter

from goldieval.core.text import one_line
from goldieval.metrics.metric import Metric
from goldieval.metrics.registry import metric_of
from goldieval.records.frame import restriction
from goldieval.records.parts import MeasuredMetric
from goldieval.records.schema import Record
from goldieval.records.series import series_of

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")  # Okabe and Ito
MARKERS = "osD^vPX"
LABEL_WIDTH = 34  # characters


@dataclass(frozen=True)
class Point:
    """One score.

    Attributes:
        model: spec of its model.
        series: the training that its checkpoint belongs to.
        images_seen: images seen in training; None if not known.
        measured: the score.
    """

    model: str
    series: str
    images_seen: int | None
    measured: MeasuredMetric


@dataclass(frozen=True)
class Panel:
    """The scores of one task in one setting.

    Attributes:
        title: task, and what distinguishes the setting.
        metric: what is measured.
        points: the scores.
    """

    title: str
    metric: Metric
    points: list[Point]


def panels_of(records: Sequence[Record], metric: str | None) -> list[Panel]:
    """Return one panel per setting; what all settings of a task have in common is not in its title."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        if (metric or record.task.headline) in record.metrics:
            task = record.task
            version = f"version {task.version} of the task"
            setting = (task.name, metric or task.headline, task.scoring, task.protocol, version, restriction(task))
            groups.setdefault(setting, []).append(record)
    panels = []
    tasks = list(dict.fromkeys(key[0] for key in groups))
    for key, group in sorted(groups.items(), key=lambda each: tasks.index(each[0][0])):
        name, measured, scoring, protocol, version, of = key
        others = [other for other in groups if other[0] == name and other != key]
        parts = [
            name,
            f"{scoring} scoring" if any(other[2] != scoring for other in others) else "",
            protocol if any(other[3] != protocol for other in others) else "",
            version if any(other[4] != version for other in others) else "",
            f"a subset: {of}" if of else "",
        ]
        title = one_line(", ".join(part for part in parts if part))
        panels.append(Panel(title, metric_of(measured), [_point(record, measured) for record in group]))
    return panels


def _point(record: Record, metric: str) -> Point:
    model = record.model
    series = series_of(model.spec, model.images_seen is not None)
    return Point(one_line(model.spec), one_line(series), model.images_seen, record.metrics[metric])


def has_curve(panels: Sequence[Panel]) -> bool:
    """Return whether one training has several checkpoints on some task."""
    seen = [
        {(point.series, point.images_seen) for point in panel.points if point.images_seen is not None}
        for panel in panels
    ]
    return any(len(pairs) > len({series for series, _ in pairs}) for pairs in seen)


def styles_of(panels: Sequence[Panel], over_images: bool) -> dict[str, dict[str, Any]]:
    """Return colour and marker of each series or model, the same in all panels."""
    names = dict.fromkeys(point.series if over_images else point.model for panel in panels for point in panel.points)
    return {
        name: {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        for number, name in enumerate(names)
    }


def name_in_lines(name: str) -> list[str]:
    """Return a name in lines that break behind the separators of specs and paths."""
    lines = [""]
    for piece in re.findall(r"[^/@:, ]+[/@:, ]*|[/@:, ]+", name):
        for part in textwrap.wrap(piece, LABEL_WIDTH, break_on_hyphens=False, drop_whitespace=False):
            if len(lines[-1]) + len(part) <= LABEL_WIDTH:
                lines[-1] += part
            else:
                lines.append(part)
    return lines


def draw_models(axes: Any, panel: Panel, styles: dict[str, dict[str, Any]]) -> None:
    """Draw one row per record, the first on top."""
    scale = panel.metric.unit.scale
    for row, point in enumerate(panel.points):
        style = styles[point.model]
        if point.measured.low is not None and point.measured.high is not None:
            axes.plot([scale * point.measured.low, scale * point.measured.high], [row, row], color=style["color"])
        axes.plot([scale * point.measured.value], [row], linestyle="none", **style)
    labels = ["\n".join(name_in_lines(point.model)) for point in panel.points]
    axes.set_yticks(range(len(labels)), labels, fontsize=8, parse_math=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(_axis(panel.metric), fontsize=8, parse_math=False)
    axes.grid(axis="x", alpha=0.3)
    for chance in _chance(panel):
        axes.axvline(scale * chance, color="#777777", linestyle="--", linewidth=1)


def draw_curves(axes: Any, panel: Panel, styles: dict[str, dict[str, Any]]) -> None:
    """Draw one line per training; a model whose training is not known is a horizontal line."""
    scale = panel.metric.unit.scale
    for series, style in styles.items():
        points = [point for point in panel.points if point.series == series]
        known = sorted(
            (point for point in points if point.images_seen is not None), key=lambda point: point.images_seen or 0
        )
        x = [point.images_seen for point in known]
        y = [scale * point.measured.value for point in known]
        if known:
            axes.plot(x, y, label="\n".join(name_in_lines(series)), **style)
        for point in known:
            if point.measured.low is not None and point.measured.high is not None:
                ends = [scale * point.measured.low, scale * point.measured.high]
                axes.plot([point.images_seen] * 2, ends, color=style["color"], linewidth=1)
        for point in points:
            if point.images_seen is None:
                label = "\n".join(name_in_lines(f"{point.model} (images seen not known)"))
                axes.axhline(scale * point.measured.value, color=style["color"], linestyle=":", label=label)
    axes.set_xlabel("images seen", fontsize=8)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel(_axis(panel.metric), fontsize=8, parse_math=False)
    axes.grid(alpha=0.3)
    for chance in _chance(panel):
        axes.axhline(scale * chance, color="#777777", linestyle="--", linewidth=1)


def _chance(panel: Panel) -> list[float]:
    """Return the chance levels, normally one."""
    return sorted({point.measured.chance for point in panel.points if point.measured.chance is not None})


def _axis(metric: Metric) -> str:
    return one_line(f"{metric.label}, {'%' if metric.unit.name == 'percent' else metric.unit.name}")

"""Reliability diagrams: accuracy against confidence in bins, and below it how many images each bin has."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from typing import Any

from goldieval.core.text import one_line
from goldieval.records.parts import Calibration
from goldieval.records.schema import Record
from goldieval.report.figure_files import DOTS_PER_INCH, SETTINGS
from goldieval.report.numbers import interval, value
from goldieval.report.score import display_name

ACROSS = 3  # panels beside each other
WIDTH, HEIGHT, SINGLE = 7.0, 2.9, 3.4  # inches: of the text of a page, of a row, of a figure with one panel
ACCURACY, GAP, LINE = "#3b6ea5", "#d1603d", "#555555"  # told apart with any colour vision, and by hatching
LETTERS = 46  # of a line of a title of a panel


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with one panel for each record."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = min(ACROSS, len(records))
    rows = -(-len(records) // across)
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # it is drawn as a box
        size = (SINGLE if across == 1 else WIDTH, HEIGHT * rows + 0.3)
        figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subfigures(rows, across, squeeze=False).flatten()
        for number, (panel, record) in enumerate(zip(panels, records, strict=False)):
            assert record.calibration is not None
            _panel(panel, record, record.calibration, first=number % across == 0)
        handles, labels = panels[0].axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=across, frameon=False, fontsize=7)
    return figure


def _panel(panel: Any, record: Record, calibration: Calibration, first: bool) -> None:
    above, below = panel.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1], "hspace": 0.05})
    bins = [each for each in calibration.bins if each.count]
    left, width = [each.low for each in bins], [each.high - each.low for each in bins]
    right, sure = [each.accuracy for each in bins], [each.confidence for each in bins]
    above.plot([0, 1], [0, 1], color=LINE, linewidth=0.8, linestyle="--", label="accuracy = confidence")
    above.bar(left, right, width, align="edge", color=ACCURACY, edgecolor="white", linewidth=0.4, label="accuracy")
    gaps = [confidence - accuracy for confidence, accuracy in zip(sure, right, strict=True)]
    above.bar(
        left, gaps, width, bottom=right, align="edge", facecolor="none", edgecolor=GAP, hatch="////", linewidth=0.5,
        label="gap to the mean confidence",
    )  # fmt: skip
    total = sum(each.count for each in bins)
    below.bar(left, [100 * each.count / total for each in bins], width, align="edge", color=LINE, edgecolor="white")
    _axes(above, below, first)
    above.set_title(_title(record), fontsize=6.5)
    above.text(
        0.03, 0.97, _numbers(record), transform=above.transAxes, va="top", fontsize=6.5,
        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip


def _axes(above: Any, below: Any, first: bool) -> None:
    above.set(xlim=(0, 1), ylim=(0, 1), yticks=[0, 0.25, 0.5, 0.75, 1])
    above.set_yticklabels(["0", "25", "50", "75", "100"])
    below.set(xticks=[0, 0.25, 0.5, 0.75, 1], ylim=(0, None))
    below.set_xticklabels(["0", "25", "50", "75", "100"])
    below.set_xlabel("confidence, %")
    if first:
        above.set_ylabel("accuracy, %")
        below.set_ylabel("images, %")
    for axes in (above, below):
        axes.tick_params(labelsize=6.5, length=2)
        axes.spines[["top", "right"]].set_visible(False)


def _title(record: Record) -> str:
    """Return task and model, in lines that fit above a panel."""
    name = one_line(display_name(record)).replace("$", r"\$")
    parts = [record.task.name, *([f"{record.task.limit:,} images"] if record.task.limit else [])]
    if record.task.scoring != "features":
        parts.append(record.task.scoring)
    return "\n".join(
        line for text in (", ".join(parts), name) for line in textwrap.wrap(text, LETTERS, break_on_hyphens=False)
    )


def _numbers(record: Record) -> str:
    """Return calibration error with its interval, accuracy and number of images."""
    metrics = record.metrics
    lines = [f"top-1 {value('acc1', metrics['acc1'].value)} %"] if "acc1" in metrics else []
    if "ece" in metrics:
        lines.insert(0, f"ECE {value('ece', metrics['ece'].value)} % ({interval('ece', metrics['ece'])})")
        lines.append(f"n {metrics['ece'].n:,}")
    return "\n".join(lines)

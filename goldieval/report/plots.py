"""The data-efficiency plot as a PNG, PDF or SVG file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from goldieval.core.errors import GoldievalError
from goldieval.report.efficiency import Efficiency, efficiency
from goldieval.report.efficiency_drawing import Drawing, draw
from goldieval.report.figure_files import check_kind, write_figure

if TYPE_CHECKING:
    from goldieval.report.built_table import BuiltTable


def write_plot(file: Path, built: BuiltTable) -> list[str]:
    """Draw the plot of a table; return lines about the file, and about models that are not on it or have no label.

    Raises:
        GoldievalError: a suffix other than .png, .pdf or .svg, a table without a plot, no data, or a file that cannot
            be written.
    """
    check_kind(file, "--plot")
    plot = efficiency(built.spec, built.sources)
    if plot is None:
        raise GoldievalError(
            f"--plot: table {built.spec.table} has no plot; choose its task with --plot-task, or add plot: {{}} to it."
        )
    if not plot.points:
        reasons = f" {plot.missing[0]}." if plot.missing else ""
        raise GoldievalError(f"--plot: no score of {plot.title} has known training data.{reasons}")
    drawing = draw(plot)
    size = write_figure(file, drawing.figure, "--plot")
    return [f"{file}: {size / 1e3:,.0f} kB, {_about(plot)}", *_not_shown(plot, drawing)]


def _about(plot: Efficiency) -> str:
    kinds = [point.kind for point in plot.points]
    imported = f", {kinds.count('imported')} imported" if "imported" in kinds else ""
    return f"{plot.title}: {kinds.count('ours')} measured here, {kinds.count('published')} published{imported}"


def _not_shown(plot: Efficiency, drawing: Drawing) -> list[str]:
    lines = [f"{pattern}: no such model has a score of {plot.title}" for pattern in plot.unmatched]
    lines += [f"not on the plot: {line}" for line in plot.missing]
    if names := list(drawing.unlabelled):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lines.append(f"no room for the labels of {', '.join(names[:3])}{more}; --label NAME places one first")
    if plot.left_out:
        lines.append(
            f"left out: {len(plot.left_out)} model{'s' * (len(plot.left_out) > 1)} whose training data are not known"
        )
    return lines

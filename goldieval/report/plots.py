"""The data-efficiency plot as a PNG or PDF file, drawn with matplotlib."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.core.text import one_line
from goldieval.report.efficiency import Efficiency, EfficiencyPoint, efficiency

if TYPE_CHECKING:
    from goldieval.report.built_table import BuiltTable

AXES = (("unique_pairs", "unique pairs"), ("images_seen", "images seen"))
COLOURS = {"ours": "#b3541e", "published": "#777777", "imported": "#2b6777"}


def write_plot(file: Path, built: BuiltTable) -> int:
    """Draw the plot of a table; return the size of the file in bytes.

    Raises:
        GoldievalError: a suffix other than .png or .pdf, a table without a plot, no data, or a file that cannot be
            written.
    """
    if file.suffix not in (".png", ".pdf"):
        raise GoldievalError(f"--plot {file}: name a .png or .pdf file.")
    plot = efficiency(built.spec, built.sources)
    if plot is None:
        raise GoldievalError(f"--plot: table {built.spec.table} has no plot (add plot: {{task: ..., metric: ...}}).")
    if not plot.points:
        raise GoldievalError(f"--plot: no score of {plot.title} has known training data.")
    try:
        atomic_write(file, _draw(plot, file.suffix[1:]))
    except OSError as error:
        raise GoldievalError(f"--plot {file}: {error.strerror or error}.") from error
    return file.stat().st_size


def _draw(plot: Efficiency, kind: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    axes_with_points = [(name, text) for name, text in AXES if any(getattr(point, name) for point in plot.points)]
    figure = Figure(figsize=(6.2 * len(axes_with_points), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (name, text) in enumerate(axes_with_points):
        axes = figure.add_subplot(1, len(axes_with_points), place + 1)
        _panel(axes, [point for point in plot.points if getattr(point, name)], name)
        axes.set_xlabel(text)
        axes.set_ylabel(f"{one_line(plot.title)}, %", parse_math=False)
    figure.suptitle("filled: measured here, with 95 % intervals; hollow: published", fontsize=9)
    stream = io.BytesIO()
    dates = {"pdf": {"CreationDate": None}, "png": {"Software": None}}[kind]  # the same data give the same file
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # it is drawn as a box
        figure.savefig(stream, format=kind, dpi=160, metadata=dates)
    return stream.getvalue()


def _panel(axes: Any, points: list[EfficiencyPoint], name: str) -> None:
    axes.set_xscale("log")
    axes.margins(x=0.18)
    axes.grid(alpha=0.3)
    for point in points:
        colour, x = COLOURS[point.kind], getattr(point, name)
        if point.low is not None and point.high is not None:
            axes.plot([x, x], [point.low, point.high], color=colour, linewidth=1.2)
        hollow = "none" if point.kind == "published" else colour
        axes.plot([x], [point.score], "o", color=colour, markerfacecolor=hollow, markersize=5)
        # a name is text, never mathematics: matplotlib reads $...$ as a formula and may fail on it
        axes.annotate(
            one_line(point.label),
            (x, point.score),
            textcoords="offset points",
            xytext=(5, 3),
            fontsize=6,
            parse_math=False,
            annotation_clip=False,
        )

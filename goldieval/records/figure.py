"""Scores as a figure: by model, or over the images that the checkpoints of a training have seen."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from goldieval.core.errors import GoldievalError
from goldieval.core.text import one_line
from goldieval.records.figure_panels import (
    draw_curves,
    draw_models,
    has_curve,
    name_in_lines,
    panels_of,
    styles_of,
)
from goldieval.records.schema import Record
from goldieval.records.series import series_of
from goldieval.records.summary import notice_lines

PANEL_WIDTH, PANELS_PER_ROW = 4.6, 3  # inches


class ScoreFigure(Figure):
    """A figure that a notebook shows, whether or not it has loaded pyplot."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=110)
        return stream.getvalue()


def figure_of(records: Sequence[Record], metric: str | None) -> Figure:
    """Draw the figure, see ``Results.plot``."""
    panels = panels_of(records, metric)
    if not panels:
        known = sorted({name for record in records for name in record.metrics})
        hint = f" There are: {', '.join(known)}." if known else ""
        raise GoldievalError(f"plot: no record has {metric or 'a score'}.{hint}")
    over_images = has_curve(panels)
    columns = 2 if len(panels) == 4 else min(len(panels), PANELS_PER_ROW)
    rows = -(-len(panels) // columns)
    lines = max(sum(len(name_in_lines(point.model)) for point in panel.points) for panel in panels)
    lines = 1 if over_images else lines
    size = (PANEL_WIDTH * max(columns, 1.4), max(3.2, 0.24 * lines + 1.4) * rows)
    figure = ScoreFigure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    draw = draw_curves if over_images else draw_models
    styles = styles_of(panels, over_images)
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.set_title("\n".join(textwrap.wrap(panel.title, 46)), fontsize=9, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        draw(axes, panel, styles)
    if over_images:
        _legend(figure)
    models = [(record.model.spec, record.model.images_seen is not None, record.model.notice) for record in records]
    notices = notice_lines((series_of(spec, known) if over_images else spec, notice) for spec, known, notice in models)
    caption = ["bars: 95 % intervals; dashed: chance level", *map(one_line, notices)]
    wrapped = [line for text in caption for line in textwrap.wrap(text, int(17 * size[0]))]
    figure.supxlabel("\n".join(wrapped), fontsize=7, color="#555555", parse_math=False)
    return figure


def _legend(figure: Figure) -> None:
    found = {text: line for axes in figure.axes for line, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    columns = min(3, len(found))
    legend = figure.legend(
        list(found.values()), list(found), loc="outside upper center", ncols=columns, fontsize=8, frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)

"""A self-contained page, without network access: who leads, heat table, every task, and the data-efficiency plot.

All text from records, papers and other harnesses is escaped by jinja2, and the content security policy of the page
allows no script and no style sheet but its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.report.efficiency import AXES, efficiency
from goldieval.report.efficiency_svg import efficiency_plot
from goldieval.report.formats.footer import CEILING, CHANCE, MDD, PUBLISHED
from goldieval.report.heat import heat_tables
from goldieval.report.heat_cells import STEPS
from goldieval.report.page_parts import environment, policy_hash, script_of, style_of, write_html
from goldieval.report.page_summary import summary
from goldieval.report.standings import Standings, standings
from goldieval.report.task_panels import TaskPanel, task_panels

if TYPE_CHECKING:
    from goldieval.report.built_table import BuiltTable
    from goldieval.report.grid import Grid


def write_page(file: Path, built: BuiltTable) -> int:
    """Write the page of a table and of all its records; return the size in bytes.

    Raises:
        GoldievalError: the file cannot be written; no partial file is left.
    """
    return write_html(file, page(built))


def page(built: BuiltTable) -> str:
    """Return the page as HTML."""
    style, script = style_of("page") + _scale(), script_of("theme", "page")
    panels = task_panels(built)
    compared = standings(built.grid)
    anchors = {panel.task: panel.anchor for panel in reversed(panels)}
    heats = heat_tables(built.grid, built.sources, compared)
    return (
        environment()
        .get_template("page.html")
        .render(
            title=built.grid.title,
            style=style,
            style_hash=policy_hash(style),
            script=script,
            script_hash=policy_hash(script),
            heats=heats,
            anchors=anchors,
            summary=summary(built.grid, compared),
            notes=_notes(built.grid, compared),
            footnotes=built.grid.footnotes,
            panels=panels,
            tasks=sorted(anchors),
            metrics=_metrics(panels),
            counts=_counts(panels),
            **_efficiency(built),
        )
    )


def _notes(grid: Grid, compared: Standings) -> list[str]:
    """Return the lines below the heat tables."""
    panels = grid.panels
    sentences = [
        (any(row.kind == "published" for panel in panels for row in panel.rows), PUBLISHED),
        (any(any(panel.chance) for panel in panels), CHANCE),
        (any(any(panel.ceiling) for panel in panels), CEILING),
    ]
    definitions = [panel.mdd_means or MDD for panel in panels if any(panel.mdd)]
    known = [text for applies, text in sentences if applies]
    return [*grid.notes, *known, *dict.fromkeys(definitions), *compared.faults]


def _metrics(panels: Sequence[TaskPanel]) -> list[str]:
    """Return the names of all metrics of the panels."""
    tables = [rows for panel in panels for rows in (panel.ours, *(rows for _, _, rows in panel.others)) if rows]
    return sorted({name for rows in tables for name in rows.names})


def _counts(panels: Sequence[TaskPanel]) -> str:
    """Return how many models, tasks and numbers were measured, as text."""
    measured = [(panel.task, row) for panel in panels if panel.ours for row in panel.ours.rows]
    models, tasks = {(row.name, row.detail) for _, row in measured}, {task for task, _ in measured}
    numbers = sum(cell.sort is not None for _, row in measured for cell in row.cells)
    counts = ((len(models), "model"), (len(tasks), "task"), (numbers, "number"))
    return ", ".join(f"{count:,} {name}{'' if count == 1 else 's'}" for count, name in counts) + " measured here"


def _efficiency(built: BuiltTable) -> dict[str, Any]:
    points = efficiency(built.spec, built.sources)
    drawn = [efficiency_plot(points, axis, text) for axis, text in AXES.items() if points and points.points]
    return {
        "plots": [plot for plot in drawn if plot],
        "plot_title": points.title if points else "",
        "left_out": ", ".join(points.left_out) if points else "",
        "plot_missing": points.missing if points else [],
    }


def _scale() -> str:
    """Return the classes of the colour scale, as shares between its two ends."""
    return "".join(f".h{step}{{--t:{100 * step / STEPS:g}%}}" for step in range(STEPS + 1))

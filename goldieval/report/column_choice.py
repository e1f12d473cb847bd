"""The columns of a table that a user asks for."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from goldieval.core.errors import GoldievalError
from goldieval.report.grid import Grid, GridPanel


def choose_columns(grid: Grid, patterns: str) -> None:
    """Keep the columns of a table that fit a pattern, and the panels that have any.

    Args:
        grid: the table, which is changed.
        patterns: globs over the heading, the metric or the task of a column, separated by commas.

    Raises:
        GoldievalError: a pattern fits no column of any panel.
    """
    wanted = [pattern.strip().lower() for pattern in patterns.split(",") if pattern.strip()]
    names = [_names(panel, place) for panel in grid.panels for place in range(len(panel.columns))]
    unused = [pattern for pattern in wanted if not any(_fits(each, [pattern]) for each in names)]
    if unused or not wanted:
        headings = dict.fromkeys(heading for panel in grid.panels for heading in panel.columns)
        there = f"There are {', '.join(headings)}." if headings else "The table has none: no record belongs to it."
        raise GoldievalError(f"--columns {', '.join(unused) or patterns!r}: no such column. {there}")
    for panel in grid.panels:
        _keep(panel, [place for place in range(len(panel.columns)) if _fits(_names(panel, place), wanted)])
    grid.panels = [panel for panel in grid.panels if any(True for _ in panel.rows)]


def _names(panel: GridPanel, place: int) -> set[str]:
    tasks = {cell.score.task for cell in panel.column(place) if cell.score}
    return {name.lower() for name in (panel.columns[place], panel.metrics[place], *tasks)}


def _fits(names: set[str], patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _keep(panel: GridPanel, places: Sequence[int]) -> None:
    """Keep some columns of a panel, and the rows that have a score in one of them."""
    for name in ("columns", "metrics", "n", "mdd", "headline", "chance", "ceiling"):
        values = getattr(panel, name)
        setattr(panel, name, [values[place] for place in places] if values else values)
    for group in panel.groups:
        for row in group.rows:
            row.cells = [row.cells[place] for place in places]
        group.rows = [row for row in group.rows if any(cell.score for cell in row.cells)]
    panel.groups = [group for group in panel.groups if group.rows]

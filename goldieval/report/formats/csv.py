"""CSV: one number per row, unrounded and unmarked; no cell can be taken for a formula."""

from __future__ import annotations

import csv
import io

from goldieval.core.text import formula_safe
from goldieval.metrics.units import UNITS
from goldieval.report.grid import Cell, Grid, GridRow
from goldieval.report.numbers import within_bounds
from goldieval.report.score import Score

COLUMNS = [
    "panel", "group", "model", "kind", "column", "task", "metric", "value", "unit", "low", "high", "n", "chance",
    "ceiling", "best", "second", "delta", "protocol", "scoring", "source", "notes",
]  # fmt: skip


def to_csv(grid: Grid) -> str:
    """Return the table as CSV, with shares as fractions; an unknown value is empty, with its note."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for panel in grid.panels:
        for group in panel.groups:
            for row in group.rows:
                for column, cell in zip(panel.columns, row.cells, strict=True):
                    if (score := cell.score) is not None:
                        writer.writerow(_row(grid, panel.title, group.title, row, column, cell, score))
    return stream.getvalue()


def _row(
    grid: Grid, panel: str, group: str, row: GridRow, column: str, cell: Cell, score: Score
) -> dict[str, str | int | float | None]:
    texts = {
        "panel": panel, "group": group, "model": row.name, "kind": row.kind, "column": column, "task": score.task,
        "metric": score.metric, "unit": UNITS[score.unit].stored_as, "protocol": score.protocol,
        "source": str(score.source or score.file or ""),
        "scoring": score.scoring.removesuffix(":*").strip("*"),
        "notes": "; ".join(grid.footnotes[note - 1] for note in [*row.notes, *cell.notes]),
    }  # fmt: skip
    low, high = score.low, score.high
    if low is not None and high is not None:
        low, high = within_bounds(low, high, UNITS[score.unit])
    numbers = {
        "value": _plain(score.value),
        "low": _plain(low),
        "high": _plain(high),
        "chance": _plain(score.chance),
        "ceiling": _plain(score.ceiling),
        "delta": _plain(cell.delta),
    }
    counts = {"n": score.n, "best": int(cell.best), "second": int(cell.second)}
    return {name: formula_safe(text) for name, text in texts.items()} | numbers | counts


def _plain(value: float | None) -> float | None:
    """Return a number rounded to ten significant digits, which removes the error of binary fractions.

    >>> _plain(0.7559999999999999), _plain(None)
    (0.756, None)
    """
    return None if value is None else float(f"{value:.10g}")

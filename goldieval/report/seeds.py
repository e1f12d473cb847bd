"""Means over rows of one recipe that differ only in the seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

from goldieval.report.grid import Cell, Grid, GridRow
from goldieval.report.score import Score


def fold_seeds(rows: Sequence[GridRow], seeds: str, grid: Grid) -> list[GridRow]:
    """Return the rows unchanged, or one row per name: the mean over seeds, with an interval from their variance.

    Args:
        rows: rows of one group.
        seeds: ``mean`` for means over seeds, ``each`` for unchanged rows.
        grid: the table, which takes footnotes.
    """
    if seeds != "mean":
        return list(rows)
    by_name: dict[str, list[GridRow]] = defaultdict(list)
    for row in rows:
        by_name[row.name].append(row)
    return [_mean(group, grid) if len(group) > 1 else group[0] for group in by_name.values()]


def _mean(rows: list[GridRow], grid: Grid) -> GridRow:
    cells = [_mean_cell(list(cells)) for cells in zip(*(row.cells for row in rows), strict=True)]
    note = f"mean of {len(rows)} seeds; the 95 % interval is of that mean, from the scatter over seeds"
    return GridRow(rows[0].name, rows[0].kind, cells, [grid.footnote(note)])


def _mean_cell(cells: list[Cell]) -> Cell:
    """Return the mean of several cells with Student's interval; an empty cell where fewer than two have a value."""
    scores = [cell.score for cell in cells if cell.score is not None and cell.score.value is not None]
    if len(scores) < 2:
        return Cell()
    values = [score.value for score in scores if score.value is not None]
    middle, low, high = mean_of_seeds(values)
    score: Score = replace(scores[0], value=middle, low=low, high=high, n=len(values), record=None)
    return Cell(score, all(cell.comparable for cell in cells), notes=cells[0].notes)


def mean_of_seeds(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of at least two scores with the ends of Student's 95 % interval, which may be impossible scores.

    >>> [round(number, 2) for number in mean_of_seeds([1.0, 2.0, 3.0])]
    [2.0, -0.48, 4.48]
    """
    from scipy.stats import t as student

    middle, count = fmean(values), len(values)
    half = float(student.ppf(0.975, count - 1)) * stdev(values) / count**0.5
    return middle, middle - half, middle + half

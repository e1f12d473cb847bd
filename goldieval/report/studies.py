"""Training studies as panels of a table: a row for each planned row, with means over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from goldieval.report.grid import Cell, Grid, GridPanel, GridRow, RowGroup
from goldieval.report.score import Score
from goldieval.report.study_runs import Run, Runs, Scores, scores_of
from goldieval.report.table_spec import Column, Study

FACTS = {
    "seeds": "seeds",
    "images_seen": "images seen",
    "images_per_second": "images/s",
    "processor_seconds": "core-s",
}
MEANS = "Mean over seeds; its interval is Student's, from the scatter over seeds, pooled over the rows of a column."
POOLED_INTERVAL = "one seed: its interval uses the standard deviation of the other rows"
NO_INTERVAL = "one seed, and no row has two seeds: no interval and no test"


def study_panel(title: str, study: Study, columns: Sequence[Column], runs: Runs, grid: Grid,
                protocols: Sequence[str]) -> GridPanel:  # fmt: skip
    """Return one row for each planned row, with or without runs, and columns of cost and scores.

    Args:
        title: title of the panel.
        study: the study.
        columns: columns of the panel.
        runs: runs of the study.
        grid: the table, which takes footnotes and faults.
        protocols: protocol of the card of each column.
    """
    from goldieval.metrics.pooled import (  # imports scipy.stats, most of a second
        half_width,
        minimum_detectable_difference,
        pooled,
    )

    kept = [
        (file, run)
        for file, run in runs
        if run.group == study.group and (study.scenes is None or run.scenes == study.scenes)
    ]
    unknown = sorted({run.row for _, run in kept} - set(study.rows))
    grid.faults += [f"table {grid.name}: row {row!r} of the runs is not in its rows" for row in unknown]
    runs_of: dict[str, list[Run]] = {row: [run for _, run in kept if run.row == row] for row in study.rows}
    cells: dict[str, list[Cell]] = {row: [_fact(name, runs_of[row]) for name in study.facts] for row in study.rows}
    mdd: list[float | None] = [None] * len(study.facts)
    for column, protocol in zip(columns, protocols, strict=True):
        scores, faults = scores_of(kept, column, protocol)
        grid.faults += faults
        deviation, freedom = pooled(list(of_row.values()) for of_row in scores.values())
        for row in study.rows:
            of_row = scores.get((row, study.scenes or next((run.scenes for run in runs_of[row]), None)), {})
            half = half_width(deviation, freedom, 1 / len(of_row)) if of_row else math.nan
            cell = _mean(study.rows[row], column, of_row, half, len(runs_of[row]), grid)
            cells[row].append(_with_references(cell, runs_of[row]))
        least = minimum_detectable_difference(deviation, freedom, study.seeds)
        mdd.append(None if math.isnan(least) else least)
    if kept and MEANS not in grid.notes:
        grid.notes.append(MEANS)
    rows = [
        GridRow(_name(name, runs_of[row]), "ours", cells[row], _scoring(runs_of[row], columns, grid))
        for row, name in study.rows.items()
    ]
    names = [*(FACTS[name] for name in study.facts), *(column.label or column.task for column in columns)]
    metrics = [*study.facts, *(column.metric for column in columns)]
    mdd_legend = f"MDD: minimum detectable difference of two rows of {study.seeds} seeds, by a t test with 80 % power."
    return GridPanel(title, names, metrics, [RowGroup("", rows)], [], mdd, mdd_legend)


def _name(name: str, runs: Sequence[Run]) -> str:
    return name if runs else f"{name}: no run yet"


def _scoring(runs: Sequence[Run], columns: Sequence[Column], grid: Grid) -> list[int]:
    """Return the footnote of a row with scoring modes other than global."""
    column_tasks = {column.task for column in columns}
    tasks = [
        record.task for run in runs for record in run.records if record.task.name in column_tasks and record.metrics
    ]
    ways = sorted({task.scoring for task in tasks} - {"global"})
    return [grid.footnote(f"{', '.join(ways)} scoring")] if ways else []


def _fact(name: str, runs: Sequence[Run]) -> Cell:
    """Return the number of seeds, or the mean of a property of the runs."""
    values = [value for run in runs if (value := getattr(run, name, None)) is not None]
    number = len(runs) if name == "seeds" else fmean(values) if values else None
    return Cell(Score("", "ours", "", name, number, "count"), comparable=False) if runs and number else Cell()


def _with_references(cell: Cell, runs: Sequence[Run]) -> Cell:
    """Return a mean with chance and ceiling of the records that it is of, which are equal for all seeds."""
    score = cell.score
    if score is None:
        return cell
    measured = next(
        record.metrics[score.metric]
        for run in runs
        for record in run.records
        if record.task.name == score.task and score.metric in record.metrics
    )
    return replace(cell, score=replace(score, chance=measured.chance, ceiling=measured.ceiling))


def _mean(name: str, column: Column, scores: Scores, half: float, runs: int, grid: Grid) -> Cell:
    if not scores:
        return Cell()
    middle, count = fmean(scores.values()), len(scores)
    low, high = (None, None) if math.isnan(half) else (middle - half, middle + half)
    notes = [] if count > 1 else [grid.footnote(POOLED_INTERVAL if low is not None else NO_INTERVAL)]
    notes += [grid.footnote(f"of {count} of the row's {runs} seeds")] if count < runs else []
    return Cell(Score(name, "ours", column.task, column.metric, middle, low=low, high=high), notes=notes)

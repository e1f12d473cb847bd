"""Training studies as tables, from one JSON file per run, ``NAME-seedN.json``, with its row, seed and records."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import read_json
from goldieval.records.schema import SCHEMA, Record
from goldieval.report.grid import Cell, Grid, GridPanel, GridRow, RowGroup
from goldieval.report.score import Score
from goldieval.report.settings import Setting, main_setting, setting_of
from goldieval.report.table_spec import Column, Study
from goldieval.tasks.catalogue import packaged
from goldieval.tasks.validation import validation_line

FACTS = {
    "seeds": "seeds",
    "images_seen": "images seen",
    "images_per_second": "images/s",
    "processor_seconds": "core-s",
}
MEANS = "Mean over seeds; its interval is Student's, from the scatter over seeds, pooled over the rows of a column."
POOLED_INTERVAL = "one seed: its interval uses the standard deviation of the other rows"
NO_INTERVAL = "one seed, and no row has two seeds: no interval and no test"


class Run(BaseModel):
    """One training.

    Attributes:
        row: row of the study.
        seed: seed of the training.
        scenes: number of drawn scenes; None if it is not fixed.
        images_seen: number of images seen in training.
        images_per_second: speed of the training; None if it was not measured.
        processor_seconds: processor time of the training; None if it was not measured.
        group: group of runs that a table shows together; empty if the study has none.
        recipe: recipe of the training.
        records: records of its evaluation.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    row: str
    seed: int
    scenes: int | None = None
    images_seen: int
    images_per_second: float | None = None
    processor_seconds: float | None = None
    group: str = ""
    recipe: dict[str, Any] = {}
    records: list[Record]


Runs = list[tuple[Path, Run]]
Scores = dict[int, float]  # seed to score


def study_folder(name: str, places: Sequence[Path], shipped: bool) -> Path | None:
    """Return the folder with the runs of a study: a place, its folder of that name, or that of the package."""
    candidates = [folder for place in places for folder in (place / name, place)]
    candidates += [packaged(f"results/{name}")] if shipped else []
    return next((folder for folder in candidates if folder.is_dir() and any(folder.glob("*-seed*.json"))), None)


def read_runs(folder: Path) -> tuple[Runs, list[str]]:
    """Return the runs in a folder, sorted by file, and one line for each file that is not a run."""
    runs, faults = [], []
    for file in sorted(folder.glob("*-seed*.json")):
        try:
            runs.append((file, _read(file)))
        except GoldievalError as error:
            faults.append(str(error))
    return runs, faults


def _read(file: Path) -> Run:
    try:
        content = read_json(file, RECORD_BYTES)
        run = Run.model_validate(content)
    except ValidationError as error:
        raise GoldievalError(f"{file} is not a run of a study: {validation_line(error)}") from None
    except (OSError, ValueError) as error:
        raise GoldievalError(f"cannot read the run {file}: {error}") from error
    if newer := [record.schema_version for record in run.records if record.schema_version > SCHEMA]:
        raise GoldievalError(f"{file} has record schema {newer[0]}, this goldieval reads up to {SCHEMA}: upgrade it.")
    return run


def scores_of(runs: Runs, column: Column, protocol: str = "") -> tuple[dict[tuple[str, int | None], Scores], list[str]]:
    """Return the scores of a column as fractions by (row, scenes) and seed, and one line for each record left out.

    Only records of one setting are used, that of the card or else the most frequent one. The scoring mode is part
    of the row, not of the setting.
    """
    measured = [
        (file, run, record)
        for file, run in runs
        for record in run.records
        if record.task.name == column.task and column.metric in record.metrics
    ]
    main = main_setting([_setting(record) for _, _, record in measured], protocol)
    scores: dict[tuple[str, int | None], Scores] = defaultdict(dict)
    faults = []
    for file, run, record in measured:
        setting = _setting(record)
        differs = setting.differences(main) if main else setting.restrictions()
        if differs:
            faults.append(f"{file.name}: {column.task} is left out: {', '.join(differs)}")
        else:
            scores[run.row, run.scenes][run.seed] = record.metrics[column.metric].value
    return dict(scores), faults


def _setting(record: Record) -> Setting:
    return replace(setting_of(record), scoring="")


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
    if kept:
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

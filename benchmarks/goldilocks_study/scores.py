"""Scores of the study ``goldilocks``: its run files by row, column and seed, and how far a row is from chance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean

from goldieval.metrics.pooled import pooled
from goldieval.report.study_runs import read_runs, scores_of
from goldieval.report.table_spec import Column, load_spec
from goldilocks_study.plan_types import Gate
from goldilocks_study.run_files import BenchRun

BACKGROUND = "background share"  # a column of claims, not of tables
Seeds = dict[int, float]  # seed to score in points


def columns() -> dict[str, Column]:
    """Return the columns of the tables by their headings."""
    panel = load_spec("goldilocks").panels[0]
    return {column.label: column for column in panel.columns if isinstance(column, Column)}


@dataclass(frozen=True)
class Scores:
    """The runs of the study.

    Attributes:
        runs: all runs.
        faults: one line for each file that is not a run or not the one that its name says, or on starts that differ.
    """

    runs: list[BenchRun]
    faults: list[str]

    @classmethod
    def read(cls, folder: Path) -> Scores:
        found, faults = read_runs(folder, BenchRun)
        misnamed = [(file, run) for file, run in found if file.stem != run.name]
        faults += [f"{file} holds run {run.name}; it is not used" for file, run in misnamed]
        runs = [run for file, run in found if file.stem == run.name]
        starts = sorted({run.start[:12] for run in runs})
        faults += [f"{folder} has runs with different starts: {', '.join(starts)}"] if len(starts) > 1 else []
        return cls(runs, faults)

    def of(self, row: str, column: str) -> Seeds:
        """Return the scores of a row, GROUP/ROW, in a column; none where there are no runs."""
        return self._table.get(column, {}).get(row, {})

    def deviation(self, column: str) -> tuple[float, int]:
        """Return the standard deviation between seeds, pooled over all rows with runs, and its degrees of freedom."""
        return pooled(list(seeds.values()) for seeds in self._table.get(column, {}).values())

    def in_group(self, group: str) -> list[BenchRun]:
        return [run for run in self.runs if run.group == group]

    def way(self, row: str, column: str) -> float | None:
        """Return the mean share of the way from chance to ceiling of a row; None without runs."""
        wanted = columns()[column]
        shares = [
            (metric.value - metric.chance) / (metric.ceiling - metric.chance)
            for run in self.runs
            if f"{run.group}/{run.row}" == row
            for record in run.records
            if record.task.name == wanted.task
            and (metric := record.metrics.get(wanted.metric)) is not None
            and metric.chance is not None
            and metric.ceiling is not None
        ]
        return fmean(shares) if shares else None

    @cached_property
    def _table(self) -> dict[str, dict[str, Seeds]]:
        table: dict[str, dict[str, Seeds]] = {name: self._column(column) for name, column in columns().items()}
        table[BACKGROUND] = {}
        for run in self.runs:
            if "background" in run.shares:
                of_row = table[BACKGROUND].setdefault(f"{run.group}/{run.row}", {})
                of_row[run.seed] = 100 * run.shares["background"]
        return table

    def _column(self, column: Column) -> dict[str, Seeds]:
        found: dict[str, Seeds] = {}
        for group in dict.fromkeys(run.group for run in self.runs):
            scores, _ = scores_of([(Path(run.row), run) for run in self.in_group(group)], column)
            for (row, _), seeds in scores.items():
                found.setdefault(f"{group}/{row}", {}).update({seed: 100 * each for seed, each in seeds.items()})
        return found


def refusal(gate: Gate, scores: Scores) -> str:
    """Return why no table of rows may be printed; empty where it may.

    Args:
        gate: what has to hold.
        scores: the runs.
    """
    ways = {column: scores.way(gate.row, column) for column in gate.columns}
    known = {column: way for column, way in ways.items() if way is not None}
    if not known:
        return f"no table of rows yet: there are no runs of {gate.row}."
    if sum(gate.low <= way <= gate.high for way in known.values()) >= gate.need:
        return ""
    where = ", ".join(f"{column} {way:.0%}" for column, way in known.items())
    return (
        f"no table of rows: {gate.row} lies between {gate.low:.0%} and {gate.high:.0%} of the way from chance to ceiling "
        f"in fewer than {gate.need} columns ({where}), so that rows near chance or ceiling would be compared. Another "
        "length, or another start."
    )

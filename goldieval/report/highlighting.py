"""Marks of the best and the second value of a column, among comparable rows, where differences are significant."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

from goldieval.core.errors import GoldievalError
from goldieval.metrics.registry import metric_of
from goldieval.records.files import read_outcomes
from goldieval.report.grid import Cell, GridPanel
from goldieval.report.score import Score
from goldieval.report.table_spec import Marks

if TYPE_CHECKING:
    from goldieval.metrics.paired_result import Paired

LEVEL = 0.05


def highlight(panel: GridPanel, marks: Marks) -> list[str]:
    """Mark the cells of a panel, column by column; return one line for each column that cannot be tested."""
    scopes = [list(panel.rows)] if marks.within == "panel" else [group.rows for group in panel.groups]
    faults: list[str] = []
    for rows in scopes:
        for place in range(len(panel.columns)):
            try:
                _highlight_column([row.cells[place] for row in rows], marks)
            except GoldievalError as error:
                faults.append(f"{panel.columns[place]}: nothing is marked: {error}")
    return faults


def _highlight_column(cells: Iterable[Cell], marks: Marks) -> None:
    """Mark the best where it differs significantly from the second, and the second where it does from the third."""
    valued = [(cell, score) for cell in cells if cell.comparable and (score := cell.score) and score.value is not None]
    if not valued:
        return
    down = not metric_of(valued[0][1].metric).lower_is_better
    ranked = sorted(valued, key=lambda pair: pair[1].value or 0.0, reverse=down)
    steps = [differ_significantly(first, second) for (_, first), (_, second) in pairwise(ranked[:3])]
    ranked[0][0].best = marks.best == "bold" and steps[:1] == [True]
    if len(steps) == 2:
        ranked[1][0].second = marks.second == "underline" and steps == [True, True]


def differ_significantly(a: Score, b: Score, level: float = LEVEL) -> bool:
    """Return whether two scores differ significantly at a level, in a test of both sides.

    They do if their standard errors show it. Otherwise two records of the same samples are tested in pairs, which has
    more power. A published score without n never differs significantly.

    Raises:
        GoldievalError: outcomes do not belong to their record.
    """
    if a.error is None or b.error is None or a.value is None or b.value is None:
        return False
    if abs(a.value - b.value) > NormalDist().inv_cdf(1 - level / 2) * (a.error**2 + b.error**2) ** 0.5:
        return True
    result = paired_test(a, b)
    return result is not None and result.p <= level


def paired_test(a: Score, b: Score) -> Paired | None:
    """Test two records of the same samples; None where one has no outcomes or is a mean over seeds.

    Raises:
        GoldievalError: outcomes do not belong to their record.
    """
    if any(one.file is None or one.record is None or one.record.outcomes is None for one in (a, b)):
        return None
    from goldieval.comparison.pairs import aligned, difference

    if difference(a.record, b.record):  # type: ignore[arg-type]
        return None
    metric = metric_of(a.metric)
    left, right = (metric.values(read_outcomes(one.file, one.record)) for one in (a, b))  # type: ignore[arg-type]
    if left is None or right is None or not metric.comparable:
        return None
    return metric.paired(left, aligned(left, right, a.task))

"""Who leads where: in each column of a table the best measured model, its lead, and the models it cannot be told from.

Only models that were measured here are compared, and only where they share a column, that is, a task, a metric and a
setting. Published and imported rows take no part.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from goldieval.core.errors import GoldievalError
from goldieval.metrics.effective import Z95
from goldieval.metrics.registry import metric_of
from goldieval.report.grid import Cell, Grid, GridPanel
from goldieval.report.highlighting import LEVEL, differ_significantly, paired_test
from goldieval.report.score import Score


@dataclass(frozen=True)
class Lead:
    """By how much the leader is ahead of the second, positive also where lower is better.

    Attributes:
        value: the difference, in the stored unit of the metric.
        low: lower end of its 95 % interval; None where there is no interval.
        high: upper end of its interval.
        paired: whether the interval is that of a test on the same samples, else that of two independent scores.
    """

    value: float
    low: float | None
    high: float | None
    paired: bool


@dataclass(frozen=True)
class Contest:
    """One column in which at least two measured models have a score.

    Attributes:
        place: places of the panel and of the column in the table.
        best: score of the leader.
        leader: its name in the table.
        second: name of the second.
        lead: by how much the leader is ahead of the second.
        inseparable: models whose score is not significantly worse than the leader's.
        behind: models whose score is.
        untested: models whose difference from the leader cannot be tested, for lack of intervals.
        of_part: whether it is of some queries of another column.
    """

    place: tuple[int, int]
    best: Score
    leader: str
    second: str
    lead: Lead
    inseparable: list[str]
    behind: list[str]
    untested: list[str]
    of_part: bool = False

    @property
    def alone(self) -> bool:
        """Whether every other model is significantly worse."""
        return not self.inseparable and not self.untested

    @property
    def of_average(self) -> bool:
        """Whether the column is an average of others, which is not counted a second time."""
        return self.best.record is not None and self.best.record.is_average


@dataclass
class Standing:
    """One model over all contests.

    Attributes:
        name: name of the model.
        alone: contests in which it is significantly better than every other model.
        shared: contests in which it is the best, or cannot be separated from the best.
        behind: contests in which it is significantly worse than the best.
        untested: contests in which that cannot be tested.
    """

    name: str
    alone: int = 0
    shared: int = 0
    behind: int = 0
    untested: int = 0

    @property
    def contests(self) -> int:
        """Number of contests that it takes part in."""
        return self.alone + self.shared + self.behind + self.untested


@dataclass(frozen=True)
class Standings:
    """All contests of a table.

    Attributes:
        contests: the contests, in the order of the table.
        models: the models, the one with most leads first.
        single: number of columns in which only one model was measured.
        faults: one line for each column that could not be tested.
    """

    contests: list[Contest] = field(default_factory=list)
    models: list[Standing] = field(default_factory=list)
    single: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def counted(self) -> list[Contest]:
        """The contests that are counted: those of tasks and not of their parts, or if there are none all others."""
        return [contest for contest in self.contests if not contest.of_average and not contest.of_part] or self.contests


def standings(grid: Grid) -> Standings:
    """Compare the measured models of a table, column by column.

    A model counts as worse than the leader at the 5 % level, divided by the number of models that the leader is
    compared with (Bonferroni); then the truly best model of a column is, with 95 % confidence, among those named.
    """
    contests, faults, single = [], [], 0
    for panel_place, panel in enumerate(grid.panels):
        columns = [_measured(panel, place) for place in range(len(panel.columns))]
        names = {(score.task, score.metric) for column in columns for _, score in column}
        for place, (heading, scores) in enumerate(zip(panel.columns, columns, strict=True)):
            single += len(scores) == 1
            if len(scores) < 2:
                continue
            try:
                contest = _contest((panel_place, place), scores)
                contests.append(replace(contest, of_part=_is_part(contest.best, names)))
            except GoldievalError as error:
                faults.append(f"{heading}: not compared: {error}")
    compared = Standings(contests, single=single, faults=faults)
    return replace(compared, models=_models(compared.counted))


def _is_part(score: Score, columns: Collection[tuple[str, str]]) -> bool:
    """Return whether a score is of some of the queries of another column, of which each has a task and a metric."""
    metric = metric_of(score.metric)
    return bool(metric.stratum) and (score.task, metric.whole) in columns


def _measured(panel: GridPanel, place: int) -> list[tuple[str, Score]]:
    """Return the comparable scores of a column that were measured here, best first."""
    cells: list[tuple[str, Cell]] = [(row.name, row.cells[place]) for row in panel.rows if row.kind == "ours"]
    scores = [(name, score) for name, cell in cells if cell.comparable and (score := cell.score)]
    valued = [(name, score) for name, score in scores if score.value is not None]
    return sorted(valued, key=lambda one: _sign(one[1]) * (one[1].value or 0.0), reverse=True)


def _sign(score: Score) -> int:
    """Return 1 where higher is better, else -1."""
    return -1 if metric_of(score.metric).lower_is_better else 1


def _contest(place: tuple[int, int], ranked: Sequence[tuple[str, Score]]) -> Contest:
    (leader, best), *others = ranked
    testable = [(name, score) for name, score in others if best.error is not None and score.error is not None]
    level = LEVEL / len(others)
    worse = {name for name, score in testable if differ_significantly(best, score, level)}
    second, score = others[0]
    return Contest(
        place,
        best,
        leader,
        second,
        _lead(best, score),
        inseparable=[name for name, _ in testable if name not in worse],
        behind=[name for name, _ in testable if name in worse],
        untested=[name for name, _ in others if name not in dict(testable)],
    )


def _lead(best: Score, second: Score) -> Lead:
    """Return the lead with its interval, from the same samples where both records have outcomes."""
    value = abs((best.value or 0.0) - (second.value or 0.0))
    result = paired_test(second, best)
    if result is not None and result.low is not None and result.high is not None:
        low, high = sorted(_sign(best) * end for end in (result.low, result.high))
        return Lead(value, low, high, paired=True)
    if best.error is None or second.error is None:
        return Lead(value, None, None, paired=False)
    half = Z95 * (best.error**2 + second.error**2) ** 0.5
    return Lead(value, value - half, value + half, paired=False)


def _models(contests: Sequence[Contest]) -> list[Standing]:
    models: dict[str, Standing] = {}
    for contest in contests:
        of_leader = "alone" if contest.alone else "shared" if contest.inseparable else "untested"
        outcomes = {contest.leader: of_leader}
        outcomes |= dict.fromkeys(contest.inseparable, "shared") | dict.fromkeys(contest.behind, "behind")
        outcomes |= dict.fromkeys(contest.untested, "untested")
        for name, outcome in outcomes.items():
            standing = models.setdefault(name, Standing(name))
            setattr(standing, outcome, getattr(standing, outcome) + 1)
    return sorted(models.values(), key=lambda one: (-one.alone, -one.shared, one.behind, one.name))

"""What a test of an average needs of all models: the influence of every image of every member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goldieval.comparison.pairs import aligned
from goldieval.core.errors import GoldievalError
from goldieval.metrics.averages import stacked, standard_error
from goldieval.metrics.intervals import ROUNDING
from goldieval.metrics.query_values import Columns, QueryValues
from goldieval.metrics.registry import metric_of
from goldieval.records.average_members import Members
from goldieval.records.files import read_outcomes
from goldieval.records.influences import names_of_units, totals
from goldieval.tasks.averages import Average, Term


@dataclass(frozen=True)
class Evidence:
    """The influence of images on the averages of several models.

    Attributes:
        moved: influence of each image on the average of each model, A first, (images, models).
        contributions: part of each image in the difference of the first models of A and B, (images,).
        unpaired: variance of that difference by the metrics of ``without``.
        without: metrics that the outcomes do not contain, for messages.
        gains: number of queries on which the first model of B is better than that of A, and on which it is worse.
        n: number of queries.
        of_a: number of models of A.
    """

    moved: np.ndarray
    contributions: np.ndarray
    unpaired: float
    without: list[str]
    gains: tuple[int, int]
    n: int
    of_a: int

    @property
    def difference(self) -> np.ndarray:
        """Influence of each image on the difference of the first models of A and B, (images,)."""
        moved: np.ndarray = self.moved[:, self.of_a] - self.moved[:, 0]
        return moved


@dataclass(frozen=True)
class _OfTerm:
    """One metric of one task: dictionaries are by image, with the name of the data."""

    moved: list[dict[str, float]]
    contributions: dict[str, float]
    gains: int
    losses: int
    n: int


def evidence_of(average: Average, a: Sequence[Members], b: Sequence[Members]) -> Evidence:
    """Read the outcomes of all members of an average.

    Args:
        average: the average.
        a: complete members of each model of A.
        b: the same of B.

    Raises:
        GoldievalError: outcomes cannot be read, or the ids of the samples differ.
    """
    models, terms = [*a, *b], average.terms()
    entries = {task: [members.entries[task] for members in models] for task in average.tasks}
    columns = {task: [read_outcomes(entry.file, entry.record) for entry in found] for task, found in entries.items()}
    found = {term: _of_term(term, columns[term.task], models, len(a)) for term in terms}
    tested = [each for each in found.values() if each is not None]
    by_model = [_added([each.moved[model] for each in tested]) for model in range(len(models))]
    matrix = stacked([*by_model, _added([each.contributions for each in tested])])
    without = [term for term in terms if found[term] is None]
    return Evidence(
        moved=matrix[:, :-1],
        contributions=matrix[:, -1],
        unpaired=_unpaired(without, a[0], b[0]),
        without=[f"{term.task} {term.metric}" for term in without],
        gains=(sum(each.gains for each in tested), sum(each.losses for each in tested)),
        n=sum(each.n for each in tested),
        of_a=len(a),
    )


def _of_term(term: Term, columns: Sequence[Columns], models: Sequence[Members], of_a: int) -> _OfTerm | None:
    """Return the influence of images on one metric of every model; None where the outcomes do not contain it."""
    metric = metric_of(term.metric)
    values = [metric.values(each) if metric.comparable else None for each in columns]
    present = [each for each in values if each is not None]
    if len(present) < len(values):
        return None
    first = present[0]
    present = [first, *(aligned(first, each, f"{term.task}, {term.metric}") for each in present[1:])]
    influences = [term.share * metric.influence(each) for each in present]
    names = names_of_units(metric, first, columns[0], len(influences[0]))
    prefix = models[0].entries[term.task].record.data.source
    keys = np.array([f"{prefix}\0{name}" for name in names.tolist()])
    share = _sizes(first, len(influences[0]))
    scores = [term.share * metric.score(each) for each in present]
    parts = influences[of_a] - influences[0] + (scores[of_a] - scores[0]) * share
    gains, losses = _flipped(first, present[of_a])
    return _OfTerm([totals(keys, each) for each in influences], totals(keys, parts), gains, losses, len(first.ids))


def _sizes(values: QueryValues, count: int) -> np.ndarray:
    """Return the share of queries that belongs to each entry of an influence, (entries,)."""
    if count == len(values.ids):
        return np.full(count, 1 / count)
    return np.unique(values.groups, return_counts=True)[1] / len(values.ids)


def _flipped(a: QueryValues, b: QueryValues) -> tuple[int, int]:
    """Return the number of queries that B gains and loses; none where values are not of single queries."""
    if a.values.ndim > 1:
        return 0, 0
    moved = b.values - a.values
    return int((moved > ROUNDING).sum()), int((moved < -ROUNDING).sum())


def _added(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total


def _unpaired(terms: Sequence[Term], a: Members, b: Members) -> float:
    """Return the variance of a difference by metrics without outcomes, those of the same data fully dependent.

    Raises:
        GoldievalError: such a metric has no interval.
    """
    errors: dict[str, float] = {}
    for term in terms:
        records = [members.entries[term.task].record for members in (a, b)]
        metrics = [record.metrics[term.metric] for record in records]
        one, other = (standard_error(metric.low, metric.high) for metric in metrics)
        if one is None or other is None:
            raise GoldievalError(f"{term.task} {term.metric} has neither outcomes nor an interval.")
        source = records[0].data.source
        errors[source] = errors.get(source, 0.0) + term.share * float(np.hypot(one, other))
    return sum(error**2 for error in errors.values())

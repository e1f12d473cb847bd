"""What families share when they turn outcomes into metrics: measuring, strata, ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.data.samples import Dataset
from goldieval.metrics.intervals import Interval
from goldieval.metrics.metric import Metric, strata_named
from goldieval.metrics.query_values import Columns
from goldieval.metrics.ranks import Ranks
from goldieval.metrics.registry import metric_of
from goldieval.records.parts import MeasuredMetric, Ties
from goldieval.tasks.card import Task


def check_strata(dataset: Dataset, names: Sequence[str]) -> None:
    """Raise TaskError if a card names a group of queries that the data do not have."""
    if missing := [name for name in _distinct(names) if name not in dataset.strata]:
        has = f"they have {', '.join(dataset.strata)}" if dataset.strata else "they have none"
        raise TaskError(f"params.strata: the data have no group {listing(missing)}; {has}.")


def measure(
    task: Task,
    outcomes: Columns,
    context: Columns = MappingProxyType({}),
    counts: Mapping[str, int] = MappingProxyType({}),
    blind: Columns | None = None,
) -> dict[str, MeasuredMetric]:
    """Return every metric that the task's card names and the outcomes hold, by name.

    Args:
        task: the task.
        outcomes: columns of the outcomes' file.
        context: columns that metrics need besides and that no file holds, see ``metrics.query_values``.
        counts: number of images, texts and classes, by those words.
        blind: the columns of the outcomes that differ where every image is replaced by the mean of all images; None
            where that was not tried.
    """
    card, columns = task.card, {**outcomes, **context}
    without_images = {**columns, **blind} if blind is not None else None
    found = {}
    for metric in map(metric_of, card.metrics()):
        values = metric.values(columns) if metric.measurable(counts) else None
        if values is None or not len(values.values):
            continue
        guess = metric.guess(columns)
        chance = metric.chance(counts) if guess is None else guess
        ceiling = card.ceiling if metric.has_ceiling(card.headline) else None
        alone = _score(metric, without_images) if without_images is not None and metric.sees_images else None
        found[metric.name] = measured(metric, metric.interval(values), chance, ceiling, alone)
    return found


def _score(metric: Metric, columns: Columns) -> float | None:
    values = metric.values(columns)
    return None if values is None else metric.interval(values).value


def measured(
    metric: Metric, interval: Interval, chance: float | None, ceiling: float | None, blind: float | None = None
) -> MeasuredMetric:
    """Return the record's form of a metric."""
    difference = interval.minimum_detectable_difference if metric.has_minimum_detectable_difference else None
    return MeasuredMetric(**vars(interval), separable=difference, chance=chance, blind=blind, ceiling=ceiling)


def strata_columns(dataset: Dataset, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return a column for each stratum that has a query left (a subset may have lost some), (queries,).

    Args:
        dataset: the data.
        names: the strata of a card; one that joins several has no column of its own.
    """
    return {f"stratum:{name}": dataset.strata[name] for name in _distinct(names) if dataset.strata[name].any()}


def _distinct(names: Sequence[str]) -> list[str]:
    """Return every stratum that is named, alone or joined with others, once."""
    return list(dict.fromkeys(stratum for name in names for stratum in strata_named(name)))


def ties_of(ranks: list[Ranks], k: list[int]) -> tuple[Ties, list[str]]:
    """Count the queries that depend on ties, and warn if breaking them changes a recall by more than 0.1 points.

    Args:
        ranks: ranks in each direction.
        k: numbers of retrieved items at which recall is computed.
    """
    gap = max(float(np.mean(rank.low <= cut) - np.mean(rank.high <= cut)) for rank in ranks for cut in k)
    queries = sum(int((rank.tied > 0).sum()) for rank in ranks)
    text = f"ties are worth up to {100 * gap:.1f} points: {queries:,} queries score a negative like their positive"
    return Ties(queries=queries, gap=gap), [text] if gap > 0.001 else []

"""What families share when they turn outcomes into metrics: strata, accuracies, ties, the record's form of a mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.data.samples import Dataset
from goldieval.metrics.intervals import Interval, clustered_means
from goldieval.metrics.ranks import Ranks
from goldieval.records.parts import MeasuredMetric, Ties


def check_strata(dataset: Dataset, names: Sequence[str]) -> None:
    """Raise TaskError where a card asks for a group of queries that the data do not have."""
    if lacking := [name for name in names if name not in dataset.strata]:
        has = f"they have {', '.join(dataset.strata)}" if dataset.strata else "they have none"
        raise TaskError(f"params.strata: the data have no group {listing(lacking)}; {has}.")


def masks(dataset: Dataset, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the masks of the groups that have a query left (a subset may have lost some)."""
    return {name: dataset.strata[name] for name in names if dataset.strata[name].any()}


def accuracies(
    hits: np.ndarray, clusters: np.ndarray, chance: np.ndarray, strata: Mapping[str, np.ndarray], ceiling: float | None
) -> dict[str, MeasuredMetric]:
    """Return ``accuracy`` and ``accuracy_<stratum>``.

    Args:
        hits: probability that each query is right, (queries,).   clusters: (queries,) what was drawn together.
        chance: (queries,) what a guess gets.   strata: masks.
    """
    groups = {"accuracy": np.ones(len(hits), dtype=bool), **{f"accuracy_{name}": strata[name] for name in strata}}
    return {
        name: metric(
            clustered_means(hits[mask][:, None], clusters[mask], [(0.0, 1.0)])[0], float(chance[mask].mean()), ceiling
        )
        for name, mask in groups.items()
    }


def metric(interval: Interval, chance: float | None = None, ceiling: float | None = None) -> MeasuredMetric:
    """Return the record's form of a mean."""
    return MeasuredMetric(
        **vars(interval), separable=interval.minimum_detectable_difference, chance=chance, ceiling=ceiling
    )


def median_metric(interval: Interval) -> MeasuredMetric:
    """Return the record's form of a median, whose interval says nothing of what a difference would need."""
    return MeasuredMetric(**vars(interval))


def ties_of(ranks: list[Ranks], k: list[int]) -> tuple[Ties, list[str]]:
    """Count the queries that hang on ties, and warn where breaking them moves recall by over 0.1 point."""
    gap = max(float(np.mean(rank.low <= cut) - np.mean(rank.high <= cut)) for rank in ranks for cut in k)
    queries = sum(int((rank.tied > 0).sum()) for rank in ranks)
    text = f"ties are worth up to {100 * gap:.1f} points: {queries:,} queries score a negative like their positive"
    return Ties(queries=queries, gap=gap), [text] if gap > 0.001 else []

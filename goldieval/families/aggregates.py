"""Helpers of the families for turning outcomes into metrics: strata, accuracies, ties, and metrics of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.data.samples import Dataset
from goldieval.metrics.intervals import Interval, clustered_means
from goldieval.metrics.ranks import Ranks
from goldieval.records.parts import MeasuredMetric, Ties


def check_strata(dataset: Dataset, names: Sequence[str]) -> None:
    """Raise TaskError if a card names a group of queries that the data do not have."""
    if missing := [name for name in names if name not in dataset.strata]:
        has = f"they have {', '.join(dataset.strata)}" if dataset.strata else "they have none"
        raise TaskError(f"params.strata: the data have no group {listing(missing)}; {has}.")


def masks(dataset: Dataset, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the masks of the groups that have at least one query; in a subset some may be empty."""
    return {name: dataset.strata[name] for name in names if dataset.strata[name].any()}


def accuracies(
    hits: np.ndarray, clusters: np.ndarray, chance: np.ndarray, strata: Mapping[str, np.ndarray], ceiling: float | None
) -> dict[str, MeasuredMetric]:
    """Return ``accuracy`` and ``accuracy_<stratum>``.

    Args:
        hits: probability that the answer to each query is right, shape (queries,).
        clusters: sampling unit of each query, such as its image, shape (queries,).
        chance: probability that a random guess is right, shape (queries,).
        strata: masks of the queries by group, each of shape (queries,).
        ceiling: best possible score, if it is known.
    """
    groups = {"accuracy": np.ones(len(hits), dtype=bool), **{f"accuracy_{name}": strata[name] for name in strata}}
    return {
        name: metric(
            clustered_means(hits[mask][:, None], clusters[mask], [(0.0, 1.0)])[0], float(chance[mask].mean()), ceiling
        )
        for name, mask in groups.items()
    }


def metric(interval: Interval, chance: float | None = None, ceiling: float | None = None) -> MeasuredMetric:
    """Return a mean in the form of the record, with its minimum detectable difference."""
    return MeasuredMetric(
        **vars(interval), separable=interval.minimum_detectable_difference, chance=chance, ceiling=ceiling
    )


def median_metric(interval: Interval) -> MeasuredMetric:
    """Return a median in the form of the record; its interval gives no minimum detectable difference."""
    return MeasuredMetric(**vars(interval))


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

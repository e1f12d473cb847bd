"""Scores that are functions of sums over clusters, such as F1: interval, influence and paired test.

All three come from the score without each cluster, whatever the function is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from goldieval.metrics.clustered_intervals import CLUSTERS
from goldieval.metrics.effective import Spread, jackknife, share_ends
from goldieval.metrics.intervals import ROUNDING, Interval, few
from goldieval.metrics.paired import Statistic, paired_sums
from goldieval.metrics.paired_result import Paired


def summed(columns: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Return the sums of each cluster, (clusters, columns), from those of each query, (queries, columns)."""
    which = np.unique(clusters, return_inverse=True)[1]
    sums = np.zeros((int(which.max()) + 1, columns.shape[1]))
    np.add.at(sums, which, columns)
    return sums


def score_of(score: Statistic, sums: np.ndarray) -> float:
    """Return a score in 0..1 of sums, (clusters, columns)."""
    return float(score(sums.sum(axis=0, keepdims=True))[0])


def interval_of(score: Statistic, sums: np.ndarray, n: int) -> Interval:
    """Return a score in 0..1 with its jackknife interval over clusters.

    Args:
        score: from sums (draws, columns) to scores (draws,).
        sums: of each cluster, (clusters, columns).
        n: number of queries.
    """
    value, count = score_of(score, sums), len(sums)
    spread = jackknife(_without(score, sums)) if count > 1 else Spread(0.0, 1.0, 1)
    low, high = share_ends(value, spread)
    return Interval(value, low, high, n, count, CLUSTERS, few(count, "independent units"))


def influence_of(score: Statistic, sums: np.ndarray) -> np.ndarray:
    """Return the influence of each cluster on a score, (clusters,); the squares add up to the jackknife variance."""
    without, count = _without(score, sums), len(sums)
    moved: np.ndarray = (without.mean() - without) * np.sqrt((count - 1) / count)
    return moved


def paired_of(score: Statistic, a: np.ndarray, b: np.ndarray, hits: tuple[np.ndarray, np.ndarray]) -> Paired:
    """Compare two models by the paired cluster bootstrap.

    Args:
        score: from sums (draws, columns) to scores (draws,).
        a: sums of A of each cluster, (clusters, columns).
        b: sums of B.
        hits: whether A, and B, answered each query right, of which gains and losses are counted.
    """
    gained, lost = ((hits[1] - hits[0]) * sign > ROUNDING for sign in (1, -1))
    return replace(paired_sums(a, b, score), gains=int(gained.sum()), losses=int(lost.sum()), n=len(hits[0]))


def _without(score: Statistic, sums: np.ndarray) -> np.ndarray:
    """Return the score without each cluster, (clusters,)."""
    without: np.ndarray = score(sums.sum(axis=0) - sums)
    return without

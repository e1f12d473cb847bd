"""95 % intervals of clustered outcomes, such as those of the captions of one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldieval.metrics.draws import RESAMPLES, cluster_weights
from goldieval.metrics.effective import Ends, Spread, difference_ends, jackknife, mean_ends, share_ends
from goldieval.metrics.intervals import DIFFERENCE, ROUNDING, SHARE, Interval, few, share

SKEWED = 25  # Cochran (1977): a mean is nearly normal from 25 times the squared skewness samples on
CLUSTERS = "jackknife of clusters"


def clustered_means(outcomes: np.ndarray, clusters: np.ndarray, ends: Sequence[Ends]) -> list[Interval]:
    """Return means of clustered outcomes, such as those of the captions of one image: jackknife over clusters.

    Args:
        outcomes: (queries, metrics).
        clusters: cluster of each query, (queries,).
        ends: lowest and highest possible outcome of each metric.
    """
    _, which = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(which).astype(float)
    return [
        _clustered_mean(column.astype(float), which, sizes, end) for column, end in zip(outcomes.T, ends, strict=True)
    ]


def _clustered_mean(outcomes: np.ndarray, which: np.ndarray, sizes: np.ndarray, ends: Ends) -> Interval:
    count, n = len(sizes), len(outcomes)
    binary = bool(np.isin(outcomes, (0.0, 1.0)).all())
    if count == n and ends == SHARE and binary:
        return share(outcomes)
    value = float(outcomes.mean())
    if count == 1:
        return Interval(
            value, *mean_ends(value, Spread(0.0, 1.0, 1), ends), n, 1, CLUSTERS, few(1, "independent units")
        )
    sums = np.bincount(which, outcomes, count)
    spread = jackknife((outcomes.sum() - sums) / (n - sizes))
    if np.ptp(sums / sizes) <= ROUNDING or spread.variance <= ROUNDING**2:
        spread = spread._replace(variance=0.0)
        low, high = mean_ends(value, spread, ends)
        return Interval(value, low, high, n, count, "wilson, all clusters the same", few(count, "independent units"))
    if ends == SHARE:
        low, high = share_ends(value, spread)
        doubt = few(_rarer(sums, sizes), "units with the rarer outcome")
    elif ends == DIFFERENCE:
        low, high = difference_ends(value, float((outcomes**2).mean()), spread)
        doubt = ""
    else:
        low, high = mean_ends(value, spread, ends)
        doubt = _skewed(sums - value * sizes)
    return Interval(value, low, high, n, count, CLUSTERS, few(count, "independent units") or doubt)


def clustered_median(outcomes: np.ndarray, clusters: np.ndarray, ends: Ends, seed: int = 0) -> Interval:
    """Return the median of clustered outcomes: percentile bootstrap of clusters.

    Args:
        outcomes: (queries,).
        clusters: cluster of each query, (queries,).
        ends: lowest and highest possible outcome.
        seed: of the draws.
    """
    _, which = np.unique(clusters, return_inverse=True)
    count, value = int(which.max()) + 1, float(np.median(outcomes))
    doubt = few(count, "independent units")
    if np.ptp(outcomes) <= ROUNDING:
        low, high = mean_ends(value, Spread(0.0, 1.0, count), ends)
        return Interval(value, low, high, len(outcomes), count, "wilson, all clusters the same", doubt)
    order = np.argsort(outcomes, kind="stable")
    draws = np.empty(RESAMPLES // 4)
    for number, weights in enumerate(cluster_weights(count, len(draws), seed)):
        reached = np.cumsum(weights[which[order]])
        draws[number] = outcomes[order[np.searchsorted(reached, reached[-1] / 2)]]
    low, high = (float(end) for end in np.quantile(draws, [0.025, 0.975]))
    return Interval(value, min(low, value), max(high, value), len(outcomes), count, "cluster bootstrap", doubt)


def clustered_mean_of_groups(hits: np.ndarray, groups: np.ndarray, clusters: np.ndarray) -> Interval:
    """Return the mean over groups of the share of hits, with equal weights: jackknife over clusters.

    Args:
        hits: in 0..1, (queries,).
        groups: group of each query, (queries,).
        clusters: cluster of each query, (queries,); one may contain queries of several groups.
    """
    names, group = np.unique(groups, return_inverse=True)
    _, which = np.unique(clusters, return_inverse=True)
    count, shape = int(which.max()) + 1, (int(which.max()) + 1, len(names))
    sums, sizes = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (which, group), hits)
    np.add.at(sizes, (which, group), 1.0)
    total, whole = sums.sum(axis=0), sizes.sum(axis=0)
    value, left = float((total / whole).mean()), whole - sizes
    shares = np.divide(total - sums, left, out=np.broadcast_to(total / whole, shape).copy(), where=left > 0)
    spread = jackknife(shares.mean(axis=1)) if count > 1 else Spread(0.0, 1.0, 1)
    spread = spread._replace(units=len(names) ** 2 / float((1 / (sizes > 0).sum(axis=0)).sum()))
    low, high = share_ends(value, spread)
    doubt = few(int((sizes > 0).sum(axis=0).min()), "independent units in the smallest group")
    return Interval(value, low, high, len(hits), count, CLUSTERS, doubt)


def _rarer(sums: np.ndarray, sizes: np.ndarray) -> int:
    """Return the number of clusters with a hit, or with a miss, whichever is smaller."""
    return int(min((sums > ROUNDING).sum(), (sums < sizes - ROUNDING).sum()))


def _skewed(moved: np.ndarray) -> str:
    """Return the reason why the mean is not nearly normal by Cochran's rule; empty where it is."""
    centred = moved - moved.mean()
    skewness = float((centred**3).mean()) / max(float((centred**2).mean()), ROUNDING) ** 1.5
    needed = int(np.ceil(SKEWED * skewness**2))
    return f"outcomes are skewed: {needed:,} independent units are needed" if len(moved) < needed else ""

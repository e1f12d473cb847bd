"""Is B better than A on the same samples: exact McNemar or paired cluster bootstrap.

Differences are B minus A. Samples that were drawn together (the captions of one image) form one cluster, which is
resampled and exchanged as a whole. Intervals of differences come from a variance, see ``effective``, not from the
bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from goldieval.metrics.draws import drawn_sums, swapped_sums
from goldieval.metrics.effective import SURE, Ends, Spread, difference_ends, jackknife, mean_ends, quantile
from goldieval.metrics.miou import Doubt
from goldieval.metrics.paired_result import Paired, drawn_result, paired_result
from goldieval.metrics.pvalues import exchange_null, exchange_p
from goldieval.metrics.tails import exchange_tail

RESAMPLES = 10_000
MCNEMAR, BOOTSTRAP = "exact McNemar", "paired cluster bootstrap"
SURE_OF = Doubt()
Statistic = Callable[[np.ndarray], np.ndarray]  # sums (draws, columns) to scores (draws,)


def mcnemar(a: np.ndarray, b: np.ndarray, clusters: np.ndarray | None = None) -> Paired:
    """Compare accuracies by the exact test of McNemar (1947), the binomial test of the queries on which A and B differ.

    Where clusters contain several queries, A and B are exchanged for whole clusters; the null distribution of the sum
    of all differences is computed exactly. With one query per cluster this is McNemar's test.

    Args:
        a: hits of A, 0 or 1, (queries,).
        b: hits of B.
        clusters: cluster of each query, (queries,); by default each query is one.

    >>> found = mcnemar(np.repeat([1, 0, 0], [50, 2, 48]), np.repeat([1, 0, 1], [50, 2, 48]))
    >>> found.gains, found.losses, round(found.difference, 2), found.p < 1e-13
    (48, 0, 0.48, True)
    """
    which = np.arange(len(a)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    sums = _cluster_sums(a, b, which)
    moved = (sums[:, 1] - sums[:, 0]).round().astype(int)
    single = len(sums) == len(a)
    test, tail = (MCNEMAR, None) if single else (f"{MCNEMAR} by cluster", exchange_tail(*exchange_null(moved), len(a)))
    spread = _of_means(sums)
    if single:  # the variance of independent outcomes follows from their share
        spread = spread._replace(freedom=SURE)
    ends = _share_ends(a, b, spread)
    found = paired_result(a, b, (np.mean(a), np.mean(b)), exchange_p(moved), test, spread, ends, len(sums))
    return replace(found, exchange=tail)


def paired_hits(a: np.ndarray, b: np.ndarray, clusters: np.ndarray) -> Paired:
    """Compare shares of hits by ``mcnemar``, or by ``paired_means`` where ties make hits fractions.

    Args:
        a: hits of A in 0..1, (queries,).
        b: hits of B.
        clusters: cluster of each query, (queries,).
    """
    shared = any(np.any(side % 1) for side in (a, b))
    return paired_means(a, b, clusters) if shared else mcnemar(a, b, clusters)


def paired_means(
    a: np.ndarray,
    b: np.ndarray,
    clusters: np.ndarray,
    resamples: int = RESAMPLES,
    shares: bool = True,
    square: float | None = None,
) -> Paired:
    """Compare means of outcomes, such as recall, by the paired cluster bootstrap.

    Args:
        a: outcomes of A, (queries,).
        b: outcomes of B.
        clusters: cluster of each query, (queries,).
        resamples: number of draws.
        shares: whether outcomes lie in 0..1, unlike ranks.
        square: mean square of the differences of shares, where ``a`` and ``b`` are shares times weights of mean 1.
    """
    sums = _cluster_sums(a, b, np.unique(clusters, return_inverse=True)[1])
    draws = _difference(drawn_sums(sums, resamples))
    swaps = swapped_sums(sums[:, 1:2] - sums[:, :1], resamples)[:, 0] / len(a)
    spread, difference = _of_means(sums), float(np.mean(b) - np.mean(a))
    half = quantile(spread.freedom) * float(np.sqrt(spread.variance))
    ends = _share_ends(a, b, spread, square) if shares else (difference - half, difference + half)
    return drawn_result(a, b, (np.mean(a), np.mean(b)), draws, swaps, BOOTSTRAP, spread, ends, len(sums))


def paired_sums(
    a: np.ndarray, b: np.ndarray, statistic: Statistic, resamples: int = 4_000, doubt: Doubt = SURE_OF
) -> Paired:
    """Compare a function of sums over clusters, such as mean intersection over union, by the paired cluster bootstrap.

    Args:
        a: what is added up of A, (clusters, columns).
        b: the same of B.
        statistic: function from sums, (draws, columns), to scores, (draws,).
        resamples: number of draws.
        doubt: whether the interval can be trusted, see ``miou.unsure``.
    """
    columns = a.shape[1]
    drawn = drawn_sums(np.hstack([a, b]).astype(float), resamples)
    draws = statistic(drawn[:, columns:]) - statistic(drawn[:, :columns])
    totals = [side.sum(axis=0, keepdims=True).astype(float) for side in (a, b)]
    both, moved = totals[0] + totals[1], swapped_sums((b - a).astype(float), resamples)
    swaps = statistic((both + moved) / 2) - statistic((both - moved) / 2)
    scores = [float(statistic(total)[0]) for total in totals]
    singles = [statistic(side.astype(float)) for side in (a, b)]
    without = [statistic(total - side) for total, side in zip(totals, (a, b), strict=True)]
    spread = jackknife(without[1] - without[0]) if len(a) > 1 else Spread(0.0, 1.0, 1)
    ends = mean_ends(scores[1] - scores[0], spread, (-1.0, 1.0)) if not doubt.hopeless else None
    found = drawn_result(singles[0], singles[1], (scores[0], scores[1]), draws, swaps, BOOTSTRAP, spread, ends, len(a))
    return replace(found, unreliable=doubt.reason or found.unreliable)


def _cluster_sums(a: np.ndarray, b: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return the sums of A, the sums of B, and the sizes of clusters, (clusters, 3)."""
    return np.stack([np.bincount(which, a), np.bincount(which, b), np.bincount(which)], axis=1)


def _difference(sums: np.ndarray) -> np.ndarray:
    """Return the mean of B less the mean of A, (draws,), from sums with sizes, (draws, 3)."""
    differences: np.ndarray = (sums[:, 1] - sums[:, 0]) / sums[:, 2]
    return differences


def _of_means(sums: np.ndarray) -> Spread:
    """Return the variance of a difference of means, from sums with sizes, (clusters, 3)."""
    return jackknife(_difference(sums.sum(axis=0) - sums)) if len(sums) > 1 else Spread(0.0, 1.0, 1)


def _share_ends(a: np.ndarray, b: np.ndarray, spread: Spread, square: float | None = None) -> Ends:
    """Return the interval of a difference of shares."""
    square = float(np.mean((b - a) ** 2)) if square is None else square
    return difference_ends(float(np.mean(b) - np.mean(a)), square, spread)

"""Is B better than A on the same samples: exact McNemar or paired cluster bootstrap.

Differences are B minus A. Samples that were drawn together (the captions of one image) form one cluster, which is
resampled and exchanged as a whole. Intervals of differences come from a variance, see ``effective``, not from the
bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from goldieval.metrics.class_variance import class_variance
from goldieval.metrics.draws import blocks, drawn_sums, swapped_sums
from goldieval.metrics.effective import SURE, Ends, Spread, difference_ends, jackknife, mean_ends, quantile
from goldieval.metrics.intervals import ROUNDING, few, few_repeats
from goldieval.metrics.minimum_detectable_difference import fewest_differing, mdd_by_mcnemar, mdd_by_tails
from goldieval.metrics.miou import Doubt
from goldieval.metrics.pvalues import bootstrap_p, exchange_null, exchange_p, swap_p
from goldieval.metrics.tails import Tail, bootstrap_tail, exchange_tail, swap_tail

LEVEL = 0.05
RESAMPLES = 10_000
MCNEMAR, BOOTSTRAP = "exact McNemar", "paired cluster bootstrap"
SURE_OF = Doubt()
_KINDS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=float)  # of samples: hit by A, hit by B
Statistic = Callable[[np.ndarray], np.ndarray]  # sums (draws, columns) to scores (draws,)


@dataclass(frozen=True)
class Paired:
    """Two scores on the same samples, their difference B - A with its 95 % interval, and its p-value.

    Attributes:
        a: score of A.
        b: score of B.
        low: lower end of the interval of the difference; None where no interval holds.
        high: upper end.
        p: two-sided p-value of this test alone; ``holm`` adjusts several.
        standard_error: of the difference.
        gains: number of queries on which the value of B is higher.
        losses: number of queries on which it is lower.
        n: number of queries.
        clusters: number of independent units among them.
        method: name of the test.
        unreliable: why the interval may not hold, or why there is none; else empty.
        exchange: p of differences of any size when models are exchanged; None for McNemar's exact test.
        bootstrap: the same of the bootstrap, where the test has one.
    """

    a: float
    b: float
    low: float | None
    high: float | None
    p: float
    standard_error: float
    gains: int
    losses: int
    n: int
    clusters: int
    method: str
    unreliable: str = ""
    exchange: Tail | None = field(default=None, repr=False)
    bootstrap: Tail | None = field(default=None, repr=False)

    @property
    def difference(self) -> float:
        return self.b - self.a

    def minimum_detectable_difference(self, level: float = LEVEL) -> float:
        """Return the smallest difference that this test detects with 80 % power, on samples like these."""
        if self.exchange is None:
            return mdd_by_mcnemar(self.gains + self.losses, self.n, level)
        least = fewest_differing(level) / self.n  # no test can detect a difference of fewer queries than these
        found = mdd_by_tails(self.exchange, self.bootstrap, self.standard_error, self.difference, level)
        return max(found, least)


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
    found = _paired(a, b, (np.mean(a), np.mean(b)), exchange_p(moved), test, spread, ends, len(sums))
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
    a: np.ndarray, b: np.ndarray, clusters: np.ndarray, resamples: int = RESAMPLES, shares: bool = True
) -> Paired:
    """Compare means of outcomes, such as recall, by the paired cluster bootstrap.

    Args:
        a: outcomes of A, (queries,).
        b: outcomes of B.
        clusters: cluster of each query, (queries,).
        resamples: number of draws.
        shares: whether outcomes lie in 0..1, unlike ranks.
    """
    sums = _cluster_sums(a, b, np.unique(clusters, return_inverse=True)[1])
    draws = _difference(drawn_sums(sums, resamples))
    swaps = swapped_sums(sums[:, 1:2] - sums[:, :1], resamples)[:, 0] / len(a)
    spread, difference = _of_means(sums), float(np.mean(b) - np.mean(a))
    half = quantile(spread.freedom) * float(np.sqrt(spread.variance))
    ends = _share_ends(a, b, spread) if shares else (difference - half, difference + half)
    return _drawn(a, b, (np.mean(a), np.mean(b)), draws, swaps, BOOTSTRAP, spread, ends, len(sums))


def paired_mean_per_class(a: np.ndarray, b: np.ndarray, labels: np.ndarray, resamples: int = RESAMPLES) -> Paired:
    """Compare means over classes of the share of hits by a bootstrap within each class.

    Args:
        a: hits of A, 0 or 1, (samples,).
        b: hits of B.
        labels: class of each sample, (samples,).
        resamples: number of draws.
    """
    table, weights = _hits_by_class(a, b, labels)
    scores = weights @ table @ _KINDS
    sizes, classes = table.sum(axis=1), len(table)
    moves = _KINDS[:, 1] - _KINDS[:, 0]
    generator = np.random.Generator(np.random.PCG64(0))
    draws = np.empty(resamples)
    for rows in blocks(resamples, 4 * classes):
        drawn = generator.multinomial(sizes, table / sizes[:, None], (rows.stop - rows.start, classes))
        draws[rows] = np.einsum("c,rck->rk", weights, drawn) @ moves
    differing = table[:, 1] + table[:, 2]
    swaps = (2 * generator.binomial(differing, 0.5, (resamples, classes)) - differing) @ weights
    signs = np.stack([table[:, 0] + table[:, 3], table[:, 1], table[:, 2]], axis=1)
    variance = class_variance(signs.astype(float), np.array([0.0, -1.0, 1.0]))
    spread = variance.spread
    ends = difference_ends(float(scores[1] - scores[0]), float(weights @ differing), spread)
    found = _drawn(a, b, (scores[0], scores[1]), draws, swaps, f"{BOOTSTRAP} within classes", spread, ends, len(a))
    return replace(found, unreliable=found.unreliable or few_repeats(variance.repeats))


def mean_per_class_scores(a: np.ndarray, b: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the scores of A and B that ``paired_mean_per_class`` compares, from the same arguments."""
    table, weights = _hits_by_class(a, b, labels)
    scores = weights @ table @ _KINDS
    return float(scores[0]), float(scores[1])


def _hits_by_class(a: np.ndarray, b: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the samples of each class by which model hits them.

    Returns:
        Counts in the order of ``_KINDS``, (classes, 4), and the weight of one sample of each class, (classes,).
    """
    classes, which = np.unique(labels, return_inverse=True)
    table = np.zeros((len(classes), 4), dtype=np.int64)
    np.add.at(table, (which, (a + 2 * b).round().astype(int)), 1)
    return table, 1 / (table.sum(axis=1) * len(classes))


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
    found = _drawn(singles[0], singles[1], (scores[0], scores[1]), draws, swaps, BOOTSTRAP, spread, ends, len(a))
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


def _share_ends(a: np.ndarray, b: np.ndarray, spread: Spread) -> Ends:
    """Return the interval of a difference of shares."""
    return difference_ends(float(np.mean(b) - np.mean(a)), float(np.mean((b - a) ** 2)), spread)


def _drawn(
    a: np.ndarray,
    b: np.ndarray,
    scores: tuple[float, float],
    draws: np.ndarray,
    swaps: np.ndarray,
    test: str,
    spread: Spread,
    ends: Ends | None,
    clusters: int,
) -> Paired:
    """Return the result of a test by drawing.

    Args:
        a: one outcome of A per query.
        b: one outcome of B per query.
        scores: of A and of B.
        draws: differences of the bootstrap, (draws,).
        swaps: differences of exchanged models, (draws,).
        test: its name.
        spread: variance of the difference.
        ends: interval of the difference, if there is one.
        clusters: number of independent units.
    """
    difference = float(scores[1] - scores[0])
    p = max(bootstrap_p(draws), swap_p(swaps, difference))
    found = _paired(a, b, scores, p, test, spread, ends, clusters)
    return replace(found, exchange=swap_tail(swaps), bootstrap=bootstrap_tail(draws, difference))


def _paired(
    a: np.ndarray,
    b: np.ndarray,
    scores: tuple[float, float],
    p: float,
    test: str,
    spread: Spread,
    ends: Ends | None,
    clusters: int,
) -> Paired:
    """Return the result of a test; the interval of a difference that is not significant includes 0.

    Args:
        a: one outcome of A per query.
        b: one outcome of B per query.
        scores: of A and of B.
        p: two-sided p-value.
        test: its name.
        spread: variance of the difference.
        ends: interval of the difference, if there is one.
        clusters: number of independent units.
    """
    low, high = ends or (None, None)
    if low is not None and high is not None and p > LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    return Paired(
        a=float(scores[0]),
        b=float(scores[1]),
        low=low,
        high=high,
        p=p,
        standard_error=float(np.sqrt(spread.variance)),
        gains=int((b > a + ROUNDING).sum()),
        losses=int((b < a - ROUNDING).sum()),
        n=len(a),
        clusters=clusters,
        method=test,
        unreliable=few(clusters, "independent units"),
    )

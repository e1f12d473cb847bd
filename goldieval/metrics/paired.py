"""Is B better than A on the same samples: exact McNemar or paired cluster bootstrap.

Differences are B minus A. Samples that were drawn together (the captions of one image) are one cluster, resampled and
exchanged as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from goldieval.metrics.detectable import fewest_differing, smallest_by_mcnemar, smallest_by_tails
from goldieval.metrics.draws import blocks, drawn_sums, swapped_sums
from goldieval.metrics.intervals import ROUNDING, wilson
from goldieval.metrics.pvalues import bootstrap_p, exchange_null, exchange_p, swap_p
from goldieval.metrics.tails import Tail, bootstrap_tail, exchange_tail, swap_tail

LEVEL = 0.05
RESAMPLES = 10_000
MCNEMAR, BOOTSTRAP = "exact McNemar", "paired cluster bootstrap"
Statistic = Callable[[np.ndarray], np.ndarray]  # sums (draws, columns) to scores (draws,)


@dataclass(frozen=True)
class Paired:
    """Two scores on the same samples, their difference B - A with its 95 % interval, and how probable it is by chance.

    p: two-sided, of one test (see ``holm``).   standard_error: of the difference.   gains, losses: queries on which B
    does better, and worse, than A.   n: queries.   clusters: independent units among them.   method: the test.
    exchange, bootstrap: the p that its parts give differences of other sizes; without any it is McNemar's exact test.
    """

    a: float
    b: float
    low: float
    high: float
    p: float
    standard_error: float
    gains: int
    losses: int
    n: int
    clusters: int
    method: str
    exchange: Tail | None = field(default=None, repr=False)
    bootstrap: Tail | None = field(default=None, repr=False)

    @property
    def difference(self) -> float:
        return self.b - self.a

    def smallest(self, level: float = LEVEL) -> float:
        """Smallest difference that this test sees with 80 % power, on samples like these and at this level."""
        if self.exchange is None:
            return smallest_by_mcnemar(self.gains + self.losses, self.n, level)
        least = fewest_differing(level) / self.n  # even where no query differs, so many must before any test can see it
        seen = smallest_by_tails(self.exchange, self.bootstrap, self.standard_error, self.difference, level)
        return max(seen, least)


def mcnemar(a: np.ndarray, b: np.ndarray, clusters: np.ndarray | None = None, resamples: int = RESAMPLES) -> Paired:
    """Compare accuracies: exact McNemar (1947), the binomial test of the queries on which A and B differ.

    Where clusters hold several queries each, A and B are exchanged for whole clusters instead, still exactly: the null
    distribution of the sum of all differences is computed, not drawn. With one query a cluster this is McNemar's test.

    Args:
        a, b: (queries,) hits, 0 or 1.   clusters: (queries,) what was drawn together; each query by itself by default.
        resamples: for the interval of the difference; p needs none.

    >>> found = mcnemar(np.repeat([1, 0, 0], [50, 2, 48]), np.repeat([1, 0, 1], [50, 2, 48]))
    >>> found.gains, found.losses, round(found.difference, 2), found.p < 1e-13
    (48, 0, 0.48, True)
    """
    which = np.arange(len(a)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    sums = _cluster_sums(a, b, which)
    moved = (sums[:, 1] - sums[:, 0]).round().astype(int)
    single = len(sums) == len(a)
    test, tail = (MCNEMAR, None) if single else (f"{MCNEMAR} by cluster", exchange_tail(*exchange_null(moved), len(a)))
    scores = np.array([np.mean(a), np.mean(b)])
    found = _paired(a, b, scores, _ratios(drawn_sums(sums, resamples)), exchange_p(moved), len(sums), test, room=True)
    return replace(found, exchange=tail)


def paired_means(
    a: np.ndarray, b: np.ndarray, clusters: np.ndarray, resamples: int = RESAMPLES, shares: bool = True
) -> Paired:
    """Compare means of outcomes, such as recall: paired cluster bootstrap.

    Args:
        a, b: (queries,) outcomes.   clusters: (queries,) what was drawn together.
        shares: outcomes lie in 0..1; ranks do not.
    """
    sums = _cluster_sums(a, b, np.unique(clusters, return_inverse=True)[1])
    draws = _ratios(drawn_sums(sums, resamples))
    swaps = swapped_sums(sums[:, 1:2] - sums[:, :1], resamples)[:, 0] / len(a)
    scores = np.array([np.mean(a), np.mean(b)])
    return _drawn(a, b, scores, draws, swaps, len(sums), BOOTSTRAP, room=shares)


def paired_mean_per_class(a: np.ndarray, b: np.ndarray, labels: np.ndarray, resamples: int = RESAMPLES) -> Paired:
    """Compare means over classes of the share of hits; the bootstrap draws within each class.

    Args:
        a, b: (samples,) hits, 0 or 1.   labels: (samples,) classes.
    """
    classes, which = np.unique(labels, return_inverse=True)
    kinds = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=float)  # hit by A, by B
    table = np.zeros((len(classes), 4), dtype=np.int64)
    np.add.at(table, (which, (a + 2 * b).round().astype(int)), 1)
    sizes = table.sum(axis=1)
    weights = 1 / (sizes * len(classes))
    scores = weights @ table @ kinds
    generator = np.random.Generator(np.random.PCG64(0))
    draws = np.empty((2, resamples))
    for rows in blocks(resamples, 4 * len(classes)):
        drawn = generator.multinomial(sizes, table / sizes[:, None], (rows.stop - rows.start, len(classes)))
        draws[:, rows] = (np.einsum("c,rck->rk", weights, drawn) @ kinds).T
    differing = table[:, 1] + table[:, 2]
    swaps = (2 * generator.binomial(differing, 0.5, (resamples, len(classes))) - differing) @ weights
    return _drawn(a, b, scores, draws, swaps, len(a), f"{BOOTSTRAP} within classes", room=True)


def paired_sums(a: np.ndarray, b: np.ndarray, statistic: Statistic, resamples: int = 4_000) -> Paired:
    """Compare any function of sums over clusters, such as mean intersection over union: paired cluster bootstrap.

    Args:
        a, b: (clusters, columns) of what is added up.   statistic: sums (draws, columns) to scores (draws,).
    """
    columns = a.shape[1]
    drawn = drawn_sums(np.hstack([a, b]).astype(float), resamples)
    draws = np.stack([statistic(drawn[:, :columns]), statistic(drawn[:, columns:])])
    total, moved = (a + b).sum(axis=0), swapped_sums((b - a).astype(float), resamples)
    swaps = statistic((total + moved) / 2) - statistic((total - moved) / 2)
    scores = np.array([statistic(side.sum(axis=0, keepdims=True).astype(float))[0] for side in (a, b)])
    singles = [statistic(side.astype(float)) for side in (a, b)]
    return _drawn(singles[0], singles[1], scores, draws, swaps, len(a), BOOTSTRAP, room=True)


def mean_iou(classes: int) -> Statistic:
    """Return the mean over classes of intersection over union, of columns (intersections, unions), ``classes`` each.

    >>> float(mean_iou(2)(np.array([[6.0, 0.0, 8.0, 0.0]]))[0])  # the second class is nowhere
    0.75
    """

    def statistic(sums: np.ndarray) -> np.ndarray:
        inside, union = sums[:, :classes], sums[:, classes:]
        there = union > 0
        shares = np.divide(inside, union, out=np.zeros_like(inside, dtype=float), where=there)
        mean: np.ndarray = shares.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        return mean

    return statistic


def _cluster_sums(a: np.ndarray, b: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Sums of A, of B, and sizes, shape (clusters, 3)."""
    return np.stack([np.bincount(which, a), np.bincount(which, b), np.bincount(which)], axis=1)


def _ratios(sums: np.ndarray) -> np.ndarray:
    """Means of A and of B, shape (2, draws), of sums with sizes, shape (draws, 3)."""
    means: np.ndarray = (sums[:, :2] / sums[:, 2:]).T
    return means


def _drawn(
    a: np.ndarray,
    b: np.ndarray,
    scores: np.ndarray,
    draws: np.ndarray,
    swaps: np.ndarray,
    clusters: int,
    test: str,
    room: bool,
) -> Paired:
    """Put together a test by drawing: what ``_paired`` takes, and swaps, (draws,) differences of exchanged models."""
    differences, difference = draws[1] - draws[0], float(scores[1] - scores[0])
    p = max(bootstrap_p(differences), swap_p(swaps, difference))
    found = _paired(a, b, scores, draws, p, clusters, test, room)
    return replace(found, exchange=swap_tail(swaps), bootstrap=bootstrap_tail(differences, difference))


def _paired(
    a: np.ndarray, b: np.ndarray, scores: np.ndarray, draws: np.ndarray, p: float, clusters: int, test: str, room: bool
) -> Paired:
    """Put together what was found.

    Args:
        a, b: one outcome a query.   scores: (2,) of A and of B.   draws: (2, resamples) of them.
        room: without any variety the interval is as wide as the number of clusters allows for shares.
    """
    differences = draws[1] - draws[0]
    difference = float(scores[1] - scores[0])
    low, high = (float(end) for end in np.quantile(differences, [0.025, 0.975]))
    if np.ptp(differences) <= ROUNDING and room:
        free = wilson(0, clusters)[1]
        low, high = difference - free * (1 + difference), difference + free * (1 - difference)
    if p > LEVEL:  # what the test cannot tell from 0 the interval does not exclude
        low, high = min(low, 0.0), max(high, 0.0)
    return Paired(
        a=float(scores[0]),
        b=float(scores[1]),
        low=min(low, difference),
        high=max(high, difference),
        p=p,
        standard_error=float(differences.std()),
        gains=int((b > a + ROUNDING).sum()),
        losses=int((b < a - ROUNDING).sum()),
        n=len(a),
        clusters=clusters,
        method=test,
    )

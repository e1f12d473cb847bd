"""Is B better than A on the same samples: exact McNemar or paired cluster bootstrap.

Differences are B minus A. Samples that were drawn together (the captions of one image) are one cluster, resampled and
exchanged as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from goldieval.metrics.detectable import fewest_differing, smallest_by_mcnemar, smallest_difference
from goldieval.metrics.draws import blocks, drawn_sums, swapped_sums
from goldieval.metrics.intervals import ROUNDING, wilson
from goldieval.metrics.pvalues import bootstrap_p, exchange_p, swap_p

LEVEL = 0.05
RESAMPLES = 10_000
MCNEMAR, BOOTSTRAP = "exact McNemar", "paired cluster bootstrap"
Statistic = Callable[[np.ndarray], np.ndarray]  # sums (draws, columns) to scores (draws,)


@dataclass(frozen=True)
class Paired:
    """Two scores on the same samples, their difference B - A with its 95 % interval, and how probable it is by chance.

    p: two-sided, of one test (see ``holm``).   standard_error: of the difference.   gains, losses: queries on which B
    does better, and worse, than A.   n: queries.   clusters: independent units among them.   method: the test.
    exact: it is McNemar's exact one, of independent queries.
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
    exact: bool = False

    @property
    def difference(self) -> float:
        return self.b - self.a

    def smallest(self, level: float = LEVEL) -> float:
        """Smallest difference that this test sees with 80 % power, on samples like these and at this level."""
        discordant = self.gains + self.losses
        if self.exact:
            return smallest_by_mcnemar(discordant, self.n, level)
        least = fewest_differing(level) / self.n  # even where no query differs, so many must before any test can see it
        return max(smallest_difference(self.standard_error, level), least)


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
    p = exchange_p((sums[:, 1] - sums[:, 0]).round().astype(int))
    test = MCNEMAR if len(sums) == len(a) else f"{MCNEMAR} by cluster"
    scores = np.array([np.mean(a), np.mean(b)])
    return _paired(a, b, scores, _ratios(drawn_sums(sums, resamples)), p, len(sums), test, room=True)


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
    p = max(bootstrap_p(draws[1] - draws[0]), swap_p(swaps, scores[1] - scores[0]))
    return _paired(a, b, scores, draws, p, len(sums), BOOTSTRAP, room=shares)


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
    p = max(bootstrap_p(draws[1] - draws[0]), swap_p(swaps, scores[1] - scores[0]))
    return _paired(a, b, scores, draws, p, len(a), f"{BOOTSTRAP} within classes", room=True)


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
    p = max(bootstrap_p(draws[1] - draws[0]), swap_p(swaps, scores[1] - scores[0]))
    singles = [statistic(side.astype(float)) for side in (a, b)]
    return _paired(singles[0], singles[1], scores, draws, p, len(a), BOOTSTRAP, room=True)


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
        exact=test == MCNEMAR,
    )

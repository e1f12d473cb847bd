"""95 % intervals: Wilson for shares, cluster bootstrap for the rest, and never one of width 0 for want of variety."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

Z95 = NormalDist().inv_cdf(0.975)
Z80 = NormalDist().inv_cdf(0.80)
RESAMPLES = 2000
ROUNDING = 1e-9  # outcomes closer than this are the same
Ends = tuple[float, float]


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval. n: outcomes; clusters: independent units among them; method: how it was made."""

    value: float
    low: float
    high: float
    n: int
    clusters: int
    method: str

    @property
    def separable(self) -> float:
        """Smallest difference that two independent models at this score would show with 80 % power at the 5 % level.

        A paired comparison on the same samples usually separates less than this.
        """
        standard_error = (self.high - self.low) / (2 * Z95)
        return (Z95 + Z80) * float(np.sqrt(2)) * standard_error


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Wilson score interval of a share, as fractions.

    >>> tuple(round(end, 4) for end in wilson(50, 100))
    (0.4038, 0.5962)
    """
    share, z2 = hits / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return 0.0 if hits == 0 else float(middle - half), 1.0 if hits == n else float(middle + half)


def share(hits: np.ndarray) -> Interval:
    """Mean of independent outcomes in 0..1 with Wilson's interval."""
    hits = hits.astype(float)
    low, high = wilson(float(hits.sum()), len(hits))
    return Interval(float(hits.mean()), low, high, len(hits), len(hits), "wilson")


def clustered_means(outcomes: np.ndarray, clusters: np.ndarray, ends: Sequence[Ends], seed: int = 0) -> list[Interval]:
    """Means of outcomes whose clusters (the captions of one image) were drawn together: percentile bootstrap.

    Args:
        outcomes: (queries, metrics).   clusters: (queries,) cluster index.
        ends: for each metric the lowest and highest value that an outcome can take.
    """
    _, which = np.unique(clusters, return_inverse=True)
    count = int(which.max()) + 1
    sums = np.stack([np.bincount(which, column, count) for column in outcomes.T], axis=1)
    sizes = np.bincount(which, minlength=count).astype(float)
    drawn = resampled(np.column_stack([sums, sizes]), seed)
    means = drawn[:, :-1] / drawn[:, -1:]
    even = np.ptp(sums / sizes[:, None], axis=0) <= ROUNDING  # every cluster has the same mean: so have all draws
    columns = zip(outcomes.T, means.T, even, ends, strict=True)
    return [
        _allowed(column, float(column.mean()), count, end)
        if same
        else _interval(column, float(column.mean()), draws, count, end)
        for column, draws, same, end in columns
    ]


def clustered_median(outcomes: np.ndarray, clusters: np.ndarray, ends: Ends, seed: int = 0) -> Interval:
    """Median of outcomes under the same bootstrap, shape (queries,)."""
    _, which = np.unique(clusters, return_inverse=True)
    count = int(which.max()) + 1
    order = np.argsort(outcomes, kind="stable")
    draws = np.empty(RESAMPLES // 4)
    for number, weights in enumerate(_weights(count, len(draws), seed)):
        reached = np.cumsum(weights[which[order]])
        draws[number] = outcomes[order[np.searchsorted(reached, reached[-1] / 2)]]
    return _interval(outcomes, float(np.median(outcomes)), draws, count, ends)


def bootstrapped(
    sums: np.ndarray,
    statistics: Callable[[np.ndarray], np.ndarray],
    ends: Sequence[Ends],
    method: str,
    seed: int = 0,
) -> list[Interval]:
    """Functions of sums over clusters, such as ratios of areas: percentile bootstrap of the clusters.

    Args:
        sums: (clusters, columns) of what is added up.   statistics: sums (draws, columns) to values (draws, metrics).
        ends: for each metric its lowest and highest value.   method: how the interval is to be called.
    """
    values, draws = statistics(sums.sum(axis=0, keepdims=True))[0], statistics(resampled(sums, seed))
    intervals = []
    for value, drawn, end in zip(values, draws.T, ends, strict=True):
        if np.ptp(drawn) <= ROUNDING:
            intervals.append(_allowed(sums, float(value), len(sums), end))
            continue
        low, high = np.quantile(drawn, [0.025, 0.975])
        low, high = float(min(low, value)), float(max(high, value))
        intervals.append(Interval(float(value), low, high, len(sums), len(sums), method))
    return intervals


def mean_per_class(hits: np.ndarray, labels: np.ndarray, seed: int = 0) -> Interval:
    """Mean over classes of the share of hits; the bootstrap draws within each class."""
    hits = hits.astype(float)
    classes, which = np.unique(labels, return_inverse=True)
    sizes = np.bincount(which)
    shares = np.bincount(which, hits) / sizes
    generator = np.random.Generator(np.random.PCG64(seed))
    draws = (generator.binomial(sizes, np.clip(shares, 0, 1), size=(RESAMPLES, len(classes))) / sizes).mean(axis=1)
    value = float(shares.mean())
    if np.ptp(draws) <= ROUNDING < np.ptp(hits):  # every class all hit or all missed: drawing within it shows nothing
        return Interval(value, *wilson(value * len(hits), len(hits)), len(hits), len(hits), "wilson, no class mixed")
    return _interval(hits, value, draws, len(hits), (0.0, 1.0))


def clustered_mean_of_groups(hits: np.ndarray, groups: np.ndarray, clusters: np.ndarray, seed: int = 0) -> Interval:
    """Mean over groups of each group's share of hits, all groups alike whatever their size; the same bootstrap.

    Args:
        hits: (queries,) in 0..1.   groups, clusters: (queries,) index of each; a cluster may reach over groups.
    """
    names, group = np.unique(groups, return_inverse=True)
    _, which = np.unique(clusters, return_inverse=True)
    count, inside = int(which.max()) + 1, group[:, None] == np.arange(len(names))
    columns = [np.bincount(which, weights, count) for one in inside.T for weights in (hits * one, one.astype(float))]
    drawn = resampled(np.stack(columns, axis=1), seed)
    with np.errstate(invalid="ignore"):
        means = np.nanmean(drawn[:, 0::2] / drawn[:, 1::2], axis=1)  # a draw may lack a small group
    value = float(np.mean([hits[one].mean() for one in inside.T]))
    return _interval(hits, value, means, count, (0.0, 1.0))


def _interval(outcomes: np.ndarray, value: float, draws: np.ndarray, clusters: int, ends: Ends) -> Interval:
    """Percentile interval, or where all outcomes are the same what their number allows."""
    if np.ptp(outcomes) <= ROUNDING:
        return _allowed(outcomes, value, clusters, ends)
    low, high = np.quantile(draws, [0.025, 0.975])
    low, high = float(min(low, value)), float(max(high, value))
    return Interval(value, low, high, len(outcomes), clusters, "cluster bootstrap")


def _allowed(outcomes: np.ndarray, value: float, clusters: int, ends: Ends) -> Interval:
    """The interval of outcomes without variety: a bootstrap of them would have width 0.

    ``clusters`` equal ones leave room for a share of others of at most Wilson's bound on none of that many; at the
    most each of those would lie at one end of what an outcome can be.
    """
    room = wilson(0, clusters)[1]
    low, high = (value + room * (end - value) for end in ends)
    return Interval(value, low, high, len(outcomes), clusters, "wilson, all clusters the same")


def resampled(sums: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """Sums over clusters drawn with replacement, shape (resamples, columns), in blocks of bounded memory.

    Args:
        sums: (clusters, columns) of what is added up.
    """
    count = len(sums)
    block = max(1, min(resamples, 8_000_000 // count))
    weights = _weights(count, resamples, seed)
    parts = []
    for start in range(0, resamples, block):
        rows = [next(weights) for _ in range(min(block, resamples - start))]
        parts.append(np.stack(rows).astype(np.float64) @ sums)
    return np.concatenate(parts)


def _weights(count: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield for each resample how often every cluster was drawn."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(draws):
        yield np.bincount(generator.integers(0, count, count), minlength=count)

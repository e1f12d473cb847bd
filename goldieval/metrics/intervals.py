"""95 % intervals, never of width 0, and marked where they may not hold.

Their coverage is simulated in ``benchmarks/interval_coverage.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from goldieval.metrics.class_variance import class_variance
from goldieval.metrics.effective import (
    Z95,
    Ends,
    Spread,
    difference_ends,
    jackknife,
    mean_ends,
    share_ends,
    wilson_ends,
)

Z80 = NormalDist().inv_cdf(0.80)
RESAMPLES = 2000
ROUNDING = 1e-9  # outcomes closer than this are equal
FEW = 10  # an interval from fewer units than this is unreliable
REPEATS = 30  # samples beyond the first of their class that the variance within classes needs
SKEWED = 25  # Cochran (1977): a mean is nearly normal from 25 times the squared skewness samples on
SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
CLUSTERS = "jackknife of clusters"


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval.

    Attributes:
        value: the estimate.
        low: lower end; None where no interval holds.
        high: upper end.
        n: number of outcomes.
        clusters: number of independent units among them.
        method: how the interval was made.
        unreliable: why its coverage may not be 95 %, or why there is none; else empty.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int
    method: str
    unreliable: str = ""

    @property
    def minimum_detectable_difference(self) -> float | None:
        """Smallest difference of two independent models at this score that a test at 5 % detects with 80 % power.

        A paired comparison on the same samples usually detects less than this. None without an interval.
        """
        if self.low is None or self.high is None:
            return None
        standard_error = (self.high - self.low) / (2 * Z95)
        return (Z95 + Z80) * float(np.sqrt(2)) * standard_error


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Return the Wilson score interval of a share, as fractions.

    >>> tuple(round(end, 4) for end in wilson(50, 100))
    (0.4038, 0.5962)
    """
    return wilson_ends(hits / n, n, Z95)


def share(hits: np.ndarray) -> Interval:
    """Return the mean of independent outcomes with Wilson's interval, widened where there are 1 to 3 hits or misses.

    There the coverage of Wilson's interval is too small (0.84 where 0.2 hits are expected), so that its outer end is
    that of a Poisson mean (Brown, Cai and DasGupta 2001).

    Args:
        hits: 0 or 1, (outcomes,).
    """
    hits = hits.astype(float)
    n, count = len(hits), float(hits.sum())
    low, high = wilson(count, n)
    if 0 < count <= min(3, n / 2):
        low = min(low, _poisson(count) / n)
    if 0 < n - count <= min(3, n / 2):
        high = max(high, 1 - _poisson(n - count) / n)
    return Interval(float(hits.mean()), low, high, n, n, "wilson", few(n))


def few(units: int, what: str = "independent outcomes") -> str:
    """Return the reason why so few units make an interval unreliable; empty where there are enough."""
    return f"fewer than {FEW} {what}" if units < FEW else ""


def few_repeats(repeats: int) -> str:
    """Return the reason why so few repeated classes make an interval unreliable; empty where there are enough."""
    return "" if repeats >= REPEATS else f"fewer than {REPEATS} samples beyond the first of their class"


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
    for number, weights in enumerate(_weights(count, len(draws), seed)):
        reached = np.cumsum(weights[which[order]])
        draws[number] = outcomes[order[np.searchsorted(reached, reached[-1] / 2)]]
    low, high = (float(end) for end in np.quantile(draws, [0.025, 0.975]))
    return Interval(value, min(low, value), max(high, value), len(outcomes), count, "cluster bootstrap", doubt)


def mean_per_class(hits: np.ndarray, labels: np.ndarray) -> Interval:
    """Return the mean over classes of the share of hits: Wilson's interval at the effective number of samples.

    Args:
        hits: 0 or 1, (samples,).
        labels: class of each sample, (samples,).
    """
    _, which = np.unique(labels, return_inverse=True)
    sizes, right = np.bincount(which).astype(float), np.bincount(which, hits.astype(float))
    found = class_variance(np.stack([sizes - right, right], axis=1), np.array([0.0, 1.0]))
    value = float((right / sizes).mean())
    low, high = share_ends(value, found.spread)
    doubt = few_repeats(found.repeats)
    return Interval(value, low, high, len(hits), len(hits), "wilson, variance within classes", doubt)


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


def _poisson(count: float) -> float:
    """Return the mean of a Poisson variable that is at least ``count`` with probability 0.05."""
    from scipy.special import gammaincinv  # slow to import

    return float(gammaincinv(count, 0.05))


def resampled(sums: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """Return sums over clusters drawn with replacement, (resamples, columns), in blocks of bounded memory.

    Args:
        sums: what is added up, (clusters, columns).
        seed: of the draws.
        resamples: number of draws.
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
    """Yield, for each resample, the number of times that each cluster was drawn, (clusters,)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(draws):
        yield np.bincount(generator.integers(0, count, count), minlength=count)

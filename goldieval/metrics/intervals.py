"""95 % intervals, never of width 0, and marked where they may not hold.

Their coverage is simulated in ``benchmarks/interval_coverage.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from goldieval.metrics.class_variance import class_variance
from goldieval.metrics.effective import Z95, share_ends, wilson_ends

Z80 = NormalDist().inv_cdf(0.80)
ROUNDING = 1e-9  # outcomes closer than this are equal
FEW = 10  # an interval from fewer units than this is unreliable
REPEATS = 30  # samples beyond the first of their class that the variance within classes needs
SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)


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
        seed_scores: score of each seed, of which the value is the mean; empty if there is no choice of seeds.
        sample_error: standard error by the choice of samples, where that of seeds is known apart.
        seed_error: standard error by the choice of seeds.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int
    method: str
    unreliable: str = ""
    seed_scores: tuple[float, ...] = ()
    sample_error: float | None = None
    seed_error: float | None = None

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


def _poisson(count: float) -> float:
    """Return the mean of a Poisson variable that is at least ``count`` with probability 0.05."""
    from scipy.special import gammaincinv  # slow to import

    return float(gammaincinv(count, 0.05))

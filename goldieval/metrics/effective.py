"""95 % intervals from a variance, by the effective number of independent outcomes that have that variance.

Korn and Graubard (1998) take the interval of a share at the effective number of outcomes; Dean and Pagano (2015) and
Franco et al. (2019) find Wilson's the best of those for clustered samples. Where the variance itself is estimated from
a few units, Student's quantile takes the place of the normal one.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

Z95 = NormalDist().inv_cdf(0.975)
SURE = 1e6  # degrees of freedom from which Student's quantile is taken to be the normal one
NONE = 1e-14  # a variance below this is due to rounding
Ends = tuple[float, float]


class Spread(NamedTuple):
    """The variance of an estimate.

    Attributes:
        variance: of the estimate.
        freedom: degrees of freedom that it was estimated with.
        units: number of independent outcomes, used where the samples show no variance at all.
    """

    variance: float
    freedom: float
    units: float


def quantile(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t.

    >>> round(quantile(4), 3), round(quantile(1e9), 3)
    (2.776, 1.96)
    """
    if freedom >= SURE:
        return Z95
    from scipy.special import stdtrit  # slow to import

    return float(stdtrit(max(freedom, 1.0), 0.975))


def wilson_ends(value: float, units: float, z: float) -> Ends:
    """Return Wilson's score interval of a share.

    Args:
        value: the share.
        units: number of outcomes; may be a fraction.
        z: quantile.
    """
    middle = (value + z * z / (2 * units)) / (1 + z * z / units)
    half = z * math.sqrt(value * (1 - value) / units + z * z / (4 * units * units)) / (1 + z * z / units)
    return (0.0 if value <= 0 else max(0.0, middle - half)), (1.0 if value >= 1 else min(1.0, middle + half))


def share_ends(value: float, spread: Spread) -> Ends:
    """Return the interval of a mean of outcomes in 0..1.

    >>> tuple(round(end, 4) for end in share_ends(0.5, Spread(0.25 / 100, 1e9, 1)))  # as of 100 independent outcomes
    (0.4038, 0.5962)
    """
    value = min(max(value, 0.0), 1.0)
    units, z = _units(value * (1 - value), spread)
    low, high = wilson_ends(value, units, z)
    return min(low, value), max(high, value)


def difference_ends(value: float, square: float, spread: Spread) -> Ends:
    """Return the interval of a mean of differences in -1..1 by Bonett and Price (2012): one is added of each sign.

    Args:
        value: mean of the differences.
        square: mean of their squares.
        spread: variance of ``value``.
    """
    units, z = _units(square - value * value, spread)
    middle, wide = value * units / (units + 2), (square * units + 2) / (units + 2)
    half = z * math.sqrt(max(wide - middle * middle, 0.0) / (units + 2))
    return max(-1.0, min(middle - half, value)), min(1.0, max(middle + half, value))


def mean_ends(value: float, spread: Spread, ends: Ends) -> Ends:
    """Return Student's interval of a mean of outcomes.

    Where ``units`` outcomes are all equal, the share of others is at most Wilson's upper bound of 0 in ``units``; in
    the extreme case each of those lies at one end.

    Args:
        value: the mean.
        spread: its variance.
        ends: lowest and highest possible outcome.
    """
    if spread.variance <= NONE:
        room = wilson_ends(0.0, spread.units, Z95)[1]
        return value + room * (ends[0] - value), value + room * (ends[1] - value)
    half = quantile(spread.freedom) * math.sqrt(spread.variance)
    return max(ends[0], value - half), min(ends[1], value + half)


def _units(total: float, spread: Spread) -> tuple[float, float]:
    """Return the effective number of outcomes and the quantile that goes with it.

    Args:
        total: variance of one outcome.
        spread: variance of the mean.
    """
    if spread.variance <= NONE or total <= NONE:
        return spread.units, Z95
    return total / spread.variance, quantile(spread.freedom)


def jackknife(values: np.ndarray) -> Spread:
    """Return the jackknife variance of an estimate.

    Degrees of freedom are those of the variance of outcomes with the observed kurtosis, so that a few influential units
    count as few.

    Args:
        values: the estimate without each unit, (units,).
    """
    count = len(values)
    moved = values - values.mean()
    squares = float((moved**2).sum())
    variance = squares * (count - 1) / count
    if variance <= NONE:
        return Spread(0.0, SURE, count)
    kurtosis = count * float((moved**4).sum()) / squares**2
    return Spread(variance, min(count - 1.0, 2 * count / max(kurtosis - 1, 1e-9)), count)

"""Means over a few seeds per row: their standard deviation is pooled over rows, and gives Student's intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from scipy.stats import t as student

from goldieval.metrics.minimum_detectable_difference import mdd_by_student


def pooled(rows: Iterable[Sequence[float]]) -> tuple[float, int]:
    """Return the standard deviation between seeds, pooled over rows, and its degrees of freedom.

    Args:
        rows: scores of the seeds of each row.

    Returns:
        The deviation, NaN where no row has two seeds, and the degrees of freedom.

    >>> pooled([[1.0, 3.0], [5.0]])
    (1.4142135623730951, 1)
    """
    kept = [list(row) for row in rows if row]
    freedom = sum(len(row) - 1 for row in kept)
    squares = sum((score - fmean(row)) ** 2 for row in kept for score in row)
    return (math.sqrt(squares / freedom) if freedom else math.nan), freedom


def half_width(deviation: float, freedom: int, share: float) -> float:
    """Return the half-width of the 95 % interval of a mean or a difference of means.

    Args:
        deviation: standard deviation of one run.
        freedom: degrees of freedom of that estimate.
        share: variance of the mean in units of that of one run.
    """
    return float(student.ppf(0.975, freedom)) * deviation * math.sqrt(share) if freedom else math.nan


def minimum_detectable_difference(deviation: float, freedom: int, seeds: int) -> float:
    """Return the smallest difference of two rows that a t test at 5 % detects with 80 % power.

    Args:
        deviation: standard deviation of one run.
        freedom: degrees of freedom of that estimate.
        seeds: number of seeds of each row.
    """
    return mdd_by_student(deviation * math.sqrt(2 / seeds), freedom) if freedom else math.nan

"""Means over a few trainings a row: their scatter from seed to seed pooled over rows, Student's intervals from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from scipy.stats import t as student

from goldieval.metrics.minimum_detectable_difference import mdd_by_student


def pooled(rows: Iterable[Sequence[float]]) -> tuple[float, int]:
    """Return the standard deviation over seeds pooled over rows, and its degrees of freedom; nan of single seeds.

    >>> pooled([[1.0, 3.0], [5.0]])
    (1.4142135623730951, 1)
    """
    kept = [list(row) for row in rows if row]
    freedom = sum(len(row) - 1 for row in kept)
    squares = sum((score - fmean(row)) ** 2 for row in kept for score in row)
    return (math.sqrt(squares / freedom) if freedom else math.nan), freedom


def half_width(deviation: float, freedom: int, share: float) -> float:
    """Return the half-width of a 95 % interval of a mean (or difference) with variance ``share`` of one run's."""
    return float(student.ppf(0.975, freedom)) * deviation * math.sqrt(share) if freedom else math.nan


def minimum_detectable_difference(deviation: float, freedom: int, seeds: int) -> float:
    """Return the smallest difference of two rows of so many seeds that a t test at 5 % detects with 80 % power."""
    return mdd_by_student(deviation * math.sqrt(2 / seeds), freedom) if freedom else math.nan

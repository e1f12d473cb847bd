"""Comparison of recipes over several seeds: variance between seeds and variance by the choice of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from goldieval.metrics.minimum_detectable_difference import mdd_by_student


@dataclass(frozen=True)
class Seeded:
    """Mean scores of two recipes over their seeds, the difference B - A, and its 95 % interval.

    Attributes:
        a: mean score of A.
        b: mean score of B.
        low: lower end of the interval of the difference.
        high: upper end.
        p: two-sided p-value of this test alone.
        seed_error: standard error of the difference by the choice of seeds.
        sample_error: the same by the choice of samples.
        seed_sd: standard deviation of scores between seeds of A and of B; None for a single seed.
        freedom: degrees of freedom of the test.
    """

    a: float
    b: float
    low: float
    high: float
    p: float
    seed_error: float
    sample_error: float
    seed_sd: tuple[float | None, float | None]
    freedom: float

    @property
    def difference(self) -> float:
        return self.b - self.a

    @property
    def standard_error(self) -> float:
        return float(np.hypot(self.seed_error, self.sample_error))

    def minimum_detectable_difference(self, level: float = 0.05) -> float:
        """Return the smallest difference that this test detects with 80 % power, with as many seeds and samples."""
        return mdd_by_student(self.standard_error, self.freedom, level)


def seeded(a: np.ndarray, b: np.ndarray, of_a: np.ndarray, of_b: np.ndarray) -> Seeded:
    """Compare recipes by Welch's t with two sources of variance, degrees of freedom by Satterthwaite.

    A score is mean + seed + sample + (seed x sample). The variance between seeds contains the second and the last term;
    the last is therefore removed from the variance by samples, so that it is counted once. A side with one seed is
    assumed to have the variance of the other; then there is one estimate, with its own degrees of freedom.

    Args:
        a: scores of A, (seeds,).
        b: scores of B, (seeds,).
        of_a: influence of each cluster on each score of A, (clusters, seeds).
        of_b: the same of B.

    Raises:
        ValueError: both sides have a single seed, so that the variance between seeds is not known.
    """
    if max(len(a), len(b)) < 2:
        raise ValueError("seeds of one side at least must be several")
    spread = [float(np.var(side, ddof=1)) if len(side) > 1 else None for side in (a, b)]
    seeds = [(own if own is not None else other) or 0.0 for own, other in (spread, spread[::-1])]
    parts = [variance / len(side) for variance, side in zip(seeds, (a, b), strict=True)]
    known = [(part, len(side) - 1) for part, side in zip(parts, (a, b), strict=True)]
    scatter = known if min(len(a), len(b)) > 1 else [(sum(parts), max(len(a), len(b)) - 1)]
    mixed = sum(_interaction(side) for side in (of_a, of_b))
    samples = max(0.0, float(((of_b.mean(axis=1) - of_a.mean(axis=1)) ** 2).sum()) - mixed)
    total = sum(parts) + samples
    pieces = [*scatter, (samples, len(of_a) - 1)]
    below = sum(part**2 / max(freedom, 1) for part, freedom in pieces)
    freedom = total**2 / below if below else float(len(of_a) - 1)
    difference, error = float(b.mean() - a.mean()), float(np.sqrt(total))
    p = float(2 * student.sf(abs(difference) / error, freedom)) if error else float(difference == 0)
    half = float(student.isf(0.025, freedom)) * error
    deviations = [None if variance is None else float(np.sqrt(variance)) for variance in spread]
    return Seeded(
        a=float(a.mean()),
        b=float(b.mean()),
        low=difference - half,
        high=difference + half,
        p=p,
        seed_error=float(np.sqrt(sum(parts))),
        sample_error=float(np.sqrt(samples)),
        seed_sd=(deviations[0], deviations[1]),
        freedom=float(freedom),
    )


def _interaction(moved: np.ndarray) -> float:
    """Return the variance of a mean over seeds by the interaction of seeds and samples; 0 for one seed."""
    seeds = moved.shape[1]
    if seeds < 2:
        return 0.0
    own = moved - moved.mean(axis=1, keepdims=True)
    return float((own**2).sum() / (seeds - 1) / seeds)

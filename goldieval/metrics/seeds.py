"""Several trainings a side: how much scores move from seed to seed, and how much with the samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from goldieval.metrics.minimum_detectable_difference import mdd_by_student


@dataclass(frozen=True)
class Seeded:
    """Mean scores of two recipes over their seeds, the difference B - A, its 95 % interval, and what it scatters by.

    seed_error, sample_error: standard errors of the difference by the choice of seeds and of samples.
    seed_sd: (A, B) standard deviation of scores between seeds, None of a single one.   freedom: degrees of freedom.
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

    A score is mean + seed + sample + (seed x sample). Scores of seeds scatter by the second and the last; of what the
    samples do to the difference of means, that last part is taken out again, so that it is counted once. A side with
    one seed is taken to scatter like the other; then one estimate stands for both, with its own degrees of freedom.

    Args:
        a, b: (seeds,) scores.   of_a, of_b: (clusters, seeds) what each cluster moves each score by.

    Raises:
        ValueError: one seed on both sides: nothing is known of their scatter.
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
    """Variance of a mean over seeds that is due to seeds meeting samples differently; 0 of one seed (not known)."""
    seeds = moved.shape[1]
    if seeds < 2:
        return 0.0
    own = moved - moved.mean(axis=1, keepdims=True)
    return float((own**2).sum() / (seeds - 1) / seeds)

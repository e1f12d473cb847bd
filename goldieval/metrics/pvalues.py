"""p-values: of exchanging two models, exactly and by drawing; of a bootstrap; and Holm's for several tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binom, binomtest

from goldieval.metrics.intervals import ROUNDING


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm (1979), in the given order.

    >>> [round(each, 3) for each in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(each) for each in adjusted]


def exchange_p(differences: np.ndarray) -> float:
    """Return the exact two-sided p of a sum of integers whose signs are exchangeable.

    >>> exchange_p(np.array([1, 1, 1, -1])), exchange_p(np.array([2, 1, 1]))
    (0.625, 0.25)
    """
    if np.abs(differences).max(initial=0) <= 1:  # McNemar's: a binomial test, quick and exact in its tails
        gains, losses = int((differences > 0).sum()), int((differences < 0).sum())
        return float(binomtest(gains, gains + losses).pvalue) if gains + losses else 1.0
    sums, chances = exchange_null(differences)
    return min(1.0, float(chances[np.abs(sums) >= abs(int(differences.sum()))].sum()))


def exchange_null(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the possible values of a sum of integers whose signs are exchangeable, and their probabilities.

    >>> [each.round(9).tolist() for each in exchange_null(np.array([2, 1]))]
    [[-3, -1, 1, 3], [0.25, 0.25, 0.25, 0.25]]
    """
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    null: np.ndarray = np.ones(1)  # of (sum + largest possible sum) / 2, which is the sum of sizes with a plus
    for size, count in zip(sizes, counts, strict=True):
        spread = np.zeros(size * count + 1)
        spread[::size] = binom.pmf(np.arange(count + 1), count, 0.5)
        null = np.convolve(null, spread)
    return 2 * np.arange(len(null)) - (len(null) - 1), null


def bootstrap_p(differences: np.ndarray) -> float:
    """Return the two-sided p of a bootstrap: twice the share of its differences on the other side of 0, or at 0."""
    beyond = min(int((differences <= ROUNDING).sum()), int((differences >= -ROUNDING).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(differences) + 1))


def swap_p(differences: np.ndarray, observed: float) -> float:
    """Return the two-sided p of exchanging A and B at random: the share of differences at least as large.

    A bootstrap of a few differing clusters rejects too often; this test does not. The larger p is reported.
    """
    reached = int((np.abs(differences) >= abs(observed) - ROUNDING).sum())
    return (reached + 1) / (len(differences) + 1)

"""Means over queries and repetitions that are crossed: every query is answered in every repetition.

The repetitions are, for example, classifiers fitted to several training samples. Queries and repetitions are both a
sample of many, so that the variance of the mean is the sum of a part by the choice of queries, a part by the choice of
repetitions, and the rest (the two-way random effects model; Owen 2007 for its bootstrap).
"""

from __future__ import annotations

import numpy as np

from goldieval.metrics.draws import drawn_sums, swapped_sums
from goldieval.metrics.effective import SURE, Spread, difference_ends, share_ends
from goldieval.metrics.intervals import Interval, few
from goldieval.metrics.paired import RESAMPLES
from goldieval.metrics.paired_result import Paired, drawn_result

BOOTSTRAP = "paired bootstrap of images and training samples"


def crossed_spread(values: np.ndarray) -> Spread:
    """Return the variance of the mean, with Satterthwaite's degrees of freedom.

    Args:
        values: (queries, repetitions).
    """
    queries, repetitions = values.shape
    if queries == 1:
        return Spread(0.0, 1.0, 1)
    by_query, by_repetition = values.mean(axis=1), values.mean(axis=0)
    of_queries = float(by_query.var(ddof=1)) / queries
    if repetitions == 1:
        return Spread(of_queries, queries - 1, queries)
    of_repetitions = float(by_repetition.var(ddof=1)) / repetitions
    rest = values - by_query[:, None] - by_repetition + values.mean()
    twice = float((rest**2).sum()) / ((queries - 1) * (repetitions - 1)) / values.size  # is in both parts
    variance = max(of_queries + of_repetitions - twice, of_queries, of_repetitions)
    squares = of_queries**2 / (queries - 1) + of_repetitions**2 / (repetitions - 1)
    return Spread(variance, variance**2 / squares if squares > 0 else SURE, queries)


def crossed_share(hits: np.ndarray) -> Interval:
    """Return the mean of hits with its interval.

    Args:
        hits: 0 or 1, (queries, repetitions).
    """
    queries, repetitions = hits.shape
    value = float(hits.mean())
    low, high = share_ends(value, crossed_spread(hits.astype(float)))
    doubt = few(queries, "independent units")
    if repetitions == 1:
        doubt = doubt or "one training sample: how much the choice of it matters is not known"
    method = f"wilson, images crossed with {repetitions} training samples"
    return Interval(value, low, high, queries, queries, method, doubt)


def paired_crossed(a: np.ndarray, b: np.ndarray) -> Paired:
    """Compare two models on the same queries and repetitions; both are drawn anew by the bootstrap.

    Args:
        a: hits of A, 0 or 1, (queries, repetitions).
        b: hits of B.
    """
    queries, repetitions = a.shape
    moved = b.astype(float) - a
    sums = drawn_sums(np.hstack([moved, np.ones((queries, 1))]), RESAMPLES)
    generator = np.random.Generator(np.random.PCG64(2))
    weights = generator.multinomial(repetitions, np.full(repetitions, 1 / repetitions), RESAMPLES)
    draws = (sums[:, :-1] * weights).sum(axis=1) / (repetitions * sums[:, -1])
    swaps = swapped_sums(moved.sum(axis=1, keepdims=True), RESAMPLES)[:, 0] / moved.size
    spread = crossed_spread(moved)
    means = moved.mean(axis=1)
    ends = difference_ends(float(moved.mean()), float((means**2).mean()), spread)
    sides = [each.mean(axis=1) for each in (a.astype(float), b.astype(float))]
    scores = (float(a.mean()), float(b.mean()))
    return drawn_result(sides[0], sides[1], scores, draws, swaps, BOOTSTRAP, spread, ends, queries)

"""Paired comparison of means over classes: a bootstrap within each class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from goldieval.metrics.class_variance import class_variance
from goldieval.metrics.clustered_classes import class_weights
from goldieval.metrics.draws import blocks
from goldieval.metrics.effective import difference_ends
from goldieval.metrics.intervals import few_repeats
from goldieval.metrics.paired import BOOTSTRAP, RESAMPLES, paired_means
from goldieval.metrics.paired_result import Paired, drawn_result

_KINDS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=float)  # of samples: hit by A, hit by B


def paired_mean_per_class(a: np.ndarray, b: np.ndarray, labels: np.ndarray, resamples: int = RESAMPLES) -> Paired:
    """Compare means over classes of the share of hits by a bootstrap within each class.

    Args:
        a: hits of A, 0 or 1, (samples,).
        b: hits of B.
        labels: class of each sample, (samples,).
        resamples: number of draws.
    """
    table, weights = _hits_by_class(a, b, labels)
    scores = weights @ table @ _KINDS
    sizes, classes = table.sum(axis=1), len(table)
    moves = _KINDS[:, 1] - _KINDS[:, 0]
    generator = np.random.Generator(np.random.PCG64(0))
    draws = np.empty(resamples)
    for rows in blocks(resamples, 4 * classes):
        drawn = generator.multinomial(sizes, table / sizes[:, None], (rows.stop - rows.start, classes))
        draws[rows] = np.einsum("c,rck->rk", weights, drawn) @ moves
    differing = table[:, 1] + table[:, 2]
    swaps = (2 * generator.binomial(differing, 0.5, (resamples, classes)) - differing) @ weights
    signs = np.stack([table[:, 0] + table[:, 3], table[:, 1], table[:, 2]], axis=1)
    variance = class_variance(signs.astype(float), np.array([0.0, -1.0, 1.0]))
    spread = variance.spread
    ends = difference_ends(float(scores[1] - scores[0]), float(weights @ differing), spread)
    found = drawn_result(
        a, b, (scores[0], scores[1]), draws, swaps, f"{BOOTSTRAP} within classes", spread, ends, len(a)
    )
    return replace(found, unreliable=found.unreliable or few_repeats(variance.repeats))


def paired_mean_of_classes(a: np.ndarray, b: np.ndarray, labels: np.ndarray, clusters: np.ndarray) -> Paired:
    """Compare means over classes by the paired bootstrap of clusters, such as pictures with boxes of several classes.

    The number of queries of each class is taken as fixed.

    Args:
        a: outcomes of A in 0..1, (queries,).
        b: outcomes of B.
        labels: class of each query, (queries,).
        clusters: cluster of each query, (queries,).
    """
    weights = class_weights(labels)
    return paired_means(a * weights, b * weights, clusters, square=float(np.mean(weights * (b - a) ** 2)))


def mean_per_class_scores(a: np.ndarray, b: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the scores of A and B that ``paired_mean_per_class`` compares, from the same arguments."""
    table, weights = _hits_by_class(a, b, labels)
    scores = weights @ table @ _KINDS
    return float(scores[0]), float(scores[1])


def _hits_by_class(a: np.ndarray, b: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the samples of each class by which model hits them.

    Returns:
        Counts in the order of ``_KINDS``, (classes, 4), and the weight of one sample of each class, (classes,).
    """
    classes, which = np.unique(labels, return_inverse=True)
    table = np.zeros((len(classes), 4), dtype=np.int64)
    np.add.at(table, (which, (a + 2 * b).round().astype(int)), 1)
    return table, 1 / (table.sum(axis=1) * len(classes))

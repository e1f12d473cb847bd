"""Influence of single samples on a score; the squared sums over clusters add up to the variance of the score."""

from __future__ import annotations

import numpy as np


def by_cluster(moved: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Return the influence of each cluster, (clusters,).

    Args:
        moved: influence of each sample, (samples,).
        clusters: cluster of each sample, (samples,).
    """
    return np.bincount(np.unique(clusters, return_inverse=True)[1], moved)


def of_mean(values: np.ndarray) -> np.ndarray:
    """Return the influence of each value on their mean, (samples,)."""
    moved: np.ndarray = (values - values.mean()) / len(values)
    return moved


def of_mean_per_class(hits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the influence of each sample on the mean over classes of the share of hits, (samples,).

    Args:
        hits: 0 or 1, (samples,).
        labels: class of each sample, (samples,).
    """
    which = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(which)
    shares = np.bincount(which, hits) / sizes
    single = sizes == 1  # their variance within the class is not known: that about the mean of all classes bounds it
    around, scale = np.where(single, shares.mean(), shares), np.sqrt(sizes / np.maximum(sizes - 1, 1))
    moved: np.ndarray = (hits - around[which]) * scale[which] / (sizes[which] * len(sizes))
    return moved


def of_mean_iou(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    """Return the influence of each image on mean intersection over union: the derivative by the areas of the image.

    Args:
        intersection: pixels of each image and class, (images, classes).
        union: the same of unions.

    Returns:
        (images,).
    """
    inside, whole = intersection.sum(axis=0), union.sum(axis=0)
    there = whole > 0
    moved = intersection[:, there] / whole[there] - union[:, there] * inside[there] / whole[there] ** 2
    mean: np.ndarray = moved.sum(axis=1) / max(there.sum(), 1)
    return mean

"""By how much single samples move a score: squared and added up over clusters, they are the variance of the score."""

from __future__ import annotations

import numpy as np


def by_cluster(moved: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Add up what the samples of each cluster do, (clusters,).

    Args:
        moved: what each sample moves the score by, (samples,).
        clusters: what was drawn together, (samples,).
    """
    return np.bincount(np.unique(clusters, return_inverse=True)[1], moved)


def of_mean(values: np.ndarray) -> np.ndarray:
    """Return by how much each value moves their mean, (samples,)."""
    moved: np.ndarray = (values - values.mean()) / len(values)
    return moved


def of_mean_per_class(hits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return by how much each hit or miss moves the mean over classes of the share of hits, (samples,)."""
    which = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(which)
    shares = np.bincount(which, hits) / sizes
    single = sizes == 1  # of these at most that they lie about the mean of all
    around, scale = np.where(single, shares.mean(), shares), np.sqrt(sizes / np.maximum(sizes - 1, 1))
    moved: np.ndarray = (hits - around[which]) * scale[which] / (sizes[which] * len(sizes))
    return moved


def of_mean_iou(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    """Return by how much each image moves mean intersection over union: its derivative by the areas of the image.

    Args:
        intersection: pixels by image and class, (images, classes).
        union: the same of unions.

    Returns:
        (images,).
    """
    inside, whole = intersection.sum(axis=0), union.sum(axis=0)
    there = whole > 0
    moved = intersection[:, there] / whole[there] - union[:, there] * inside[there] / whole[there] ** 2
    mean: np.ndarray = moved.sum(axis=1) / max(there.sum(), 1)
    return mean

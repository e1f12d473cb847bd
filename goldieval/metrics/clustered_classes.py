"""95 % interval of a mean over classes whose samples were drawn in clusters, such as the boxes of one picture."""

from __future__ import annotations

import numpy as np

from goldieval.metrics.clustered_intervals import CLUSTERS
from goldieval.metrics.effective import Spread, jackknife, share_ends
from goldieval.metrics.intervals import Interval, few


def clustered_mean_of_classes(hits: np.ndarray, labels: np.ndarray, clusters: np.ndarray) -> Interval:
    """Return the mean over classes of the share of hits, with equal weights: jackknife over clusters.

    Memory grows with the samples, and not with the product of clusters and classes. A class that only one cluster shows
    is replaced by the mean of all classes where that cluster is left out, which bounds its unknown variance.

    Args:
        hits: in 0..1, (samples,).
        labels: class of each sample, (samples,).
        clusters: cluster of each sample, (samples,).

    >>> found = clustered_mean_of_classes(np.array([1.0, 1.0, 0.0]), np.array([0, 0, 1]), np.array([0, 1, 1]))
    >>> found.value, found.n, found.clusters
    (0.5, 3, 2)
    """
    names, which = np.unique(labels, return_inverse=True)
    _, cluster = np.unique(clusters, return_inverse=True)
    count, classes = int(cluster.max()) + 1, len(names)
    pairs, pair = np.unique(cluster * classes + which, return_inverse=True)
    sums, sizes = np.bincount(pair, hits), np.bincount(pair)
    of_class = pairs % classes
    total, whole = np.bincount(which, hits), np.bincount(which)
    shares = total / whole
    value, left = float(shares.mean()), (whole[of_class] - sizes)
    without = np.where(left > 0, (total[of_class] - sums) / np.maximum(left, 1), value)
    moved = np.bincount(pairs // classes, without - shares[of_class], count) / classes
    spread = jackknife(value + moved) if count > 1 else Spread(0.0, 1.0, 1)
    spread = spread._replace(units=classes**2 / float((1 / np.bincount(of_class)).sum()))
    low, high = share_ends(value, spread)
    return Interval(value, low, high, len(hits), count, CLUSTERS, few(count, "independent units"))


def class_weights(labels: np.ndarray) -> np.ndarray:
    """Return the weight of each sample with which a mean over samples is one over classes, (samples,).

    >>> class_weights(np.array([0, 0, 1])).tolist()
    [0.75, 0.75, 1.5]
    """
    _, which, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    weights: np.ndarray = len(labels) / (len(sizes) * sizes[which])
    return weights

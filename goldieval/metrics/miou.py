"""Intersection over union from areas by picture and class: a set's score is of its summed areas, not a mean of scores.

Areas are integers of shape (images, 4, classes): intersection, union, predicted and labelled pixels, those without a
label left out.
"""

from __future__ import annotations

import numpy as np

from goldieval.metrics.intervals import Interval, bootstrapped

INTERSECTION, UNION, PREDICTED, LABELLED = range(4)
RELIABLE_FROM = 500  # images; below, classes of few images make a bootstrap of the mean over classes too narrow


def per_class(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return intersection over union and accuracy of each class, NaN where nothing was there to be found or claimed.

    Args:
        total: (…, 4, classes) summed areas.

    >>> iou, accuracy = per_class(np.array([[6, 0, 0], [8, 2, 0], [8, 0, 0], [6, 2, 0]]))
    >>> iou.tolist(), accuracy.tolist()
    ([0.75, 0.0, nan], [1.0, 0.0, nan])
    """
    inside = total[..., INTERSECTION, :].astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return inside / total[..., UNION, :], inside / total[..., LABELLED, :]


def scores(areas: np.ndarray) -> dict[str, Interval]:
    """Return ``miou`` and ``macc`` (means over classes), and ``aacc`` (share of pixels), with intervals by image."""
    count, _, classes = areas.shape
    sums = areas.reshape(count, -1).astype(float)
    unreliable = f", unreliable under {RELIABLE_FROM} images" if count < RELIABLE_FROM else ""

    def statistics(totals: np.ndarray) -> np.ndarray:
        total = totals.reshape(len(totals), 4, classes)
        iou, accuracy = per_class(total)
        pixels = total[:, INTERSECTION].sum(-1) / np.maximum(total[:, LABELLED].sum(-1), 1)
        return np.stack([_mean(iou), _mean(accuracy), pixels], axis=1)

    method = f"bootstrap by image{unreliable}"
    found = bootstrapped(sums, statistics, [(0.0, 1.0)] * 3, method)
    return dict(zip(("miou", "macc", "aacc"), found, strict=True))


def blind(labelled: np.ndarray) -> dict[str, float]:
    """Return what a map that does not depend on the picture gets: the best of one class everywhere and of dice.

    Args:
        labelled: (classes,) labelled pixels.
    """
    shares = labelled[labelled > 0] / labelled.sum()
    guess = 1 / len(labelled)
    dice = shares * guess / (shares + guess - shares * guess)
    return {
        "miou": max(float(dice.mean()), float(shares.max()) / len(shares)),
        "macc": 1 / min(len(labelled), len(shares)),
        "aacc": float(shares.max()),
    }


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; 0 where all is (a resample of pictures without a label)."""
    there = ~np.isnan(values)
    mean: np.ndarray = np.where(there, values, 0).sum(-1) / np.maximum(there.sum(-1), 1)
    return mean

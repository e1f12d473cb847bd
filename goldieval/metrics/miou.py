"""Intersection over union, from areas that are summed over all images before the ratio is taken.

Areas are integers of shape (images, 4, classes): intersection, union, predicted and labelled pixels. Pixels without a
label are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from goldieval.metrics.effective import jackknife, share_ends
from goldieval.metrics.intervals import Interval, few

INTERSECTION, UNION, PREDICTED, LABELLED = range(4)
RARE = 5  # a class in fewer images is rare
SOME, MANY = 0.10, 0.30  # shares of rare classes above which an interval is unreliable, and not given
NOTHING = "none"


@dataclass(frozen=True)
class Doubt:
    """Whether the interval of a mean over classes can be trusted.

    Attributes:
        reason: why the interval may not hold; empty where it does.
        hopeless: no interval is given.
    """

    reason: str = ""
    hopeless: bool = False


def unsure(images: np.ndarray) -> Doubt:
    """Return whether intervals of means over classes can be trusted.

    Another sample of images may contain no image of a rare class, which then leaves the mean; resampling cannot show
    this. The limits are from ``benchmarks/interval_coverage.py``.

    Args:
        images: number of images that show each class, (classes,).

    >>> unsure(np.array([40, 30, 2])).hopeless, unsure(np.array([40] * 8 + [2])).reason
    (True, '1 of 9 classes are in fewer than 5 images')
    """
    rare, classes = int((images < RARE).sum()), len(images)
    if rare <= SOME * classes:
        return Doubt()
    return Doubt(f"{rare:,} of {classes:,} classes are in fewer than {RARE} images", rare > MANY * classes)


def per_class(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return intersection over union and accuracy of each class, NaN for a class without pixels.

    Args:
        total: summed areas, (…, 4, classes).

    Returns:
        Two arrays, (…, classes).

    >>> iou, accuracy = per_class(np.array([[6, 0, 0], [8, 2, 0], [8, 0, 0], [6, 2, 0]]))
    >>> iou.tolist(), accuracy.tolist()
    ([0.75, 0.0, nan], [1.0, 0.0, nan])
    """
    inside = total[..., INTERSECTION, :].astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return inside / total[..., UNION, :], inside / total[..., LABELLED, :]


def mean_iou(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    """Return the mean over classes of intersection over union; classes without any area are left out.

    Args:
        intersection: summed pixels by class, (…, classes).
        union: the same of unions.

    Returns:
        (…,); 0 where no class has any area.

    >>> float(mean_iou(np.array([6.0, 0.0]), np.array([8.0, 0.0])))  # the second class is nowhere
    0.75
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return _mean(intersection / union)


def mean_iou_of_sums(sums: np.ndarray) -> np.ndarray:
    """Return the same of sums whose first half of columns are intersections and second half unions.

    Args:
        sums: (draws, 2 x classes).

    Returns:
        (draws,).
    """
    return mean_iou(*np.hsplit(sums, 2))


def mean_accuracy_of_sums(sums: np.ndarray) -> np.ndarray:
    """Return the mean over classes of the share of labelled pixels that were found.

    Args:
        sums: intersections, then labelled pixels, (draws, 2 x classes).

    Returns:
        (draws,).
    """
    inside, labelled = np.hsplit(sums, 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _mean(inside / labelled)


def pixel_accuracy_of_sums(sums: np.ndarray) -> np.ndarray:
    """Return the share of labelled pixels that were found, (draws,); ``sums`` as for ``mean_accuracy_of_sums``."""
    inside, labelled = np.hsplit(sums, 2)
    found: np.ndarray = inside.sum(-1) / np.maximum(labelled.sum(-1), 1)
    return found


def interval_of_sums(
    score: Callable[[np.ndarray], np.ndarray], areas: np.ndarray, images_per_class: np.ndarray | None = None
) -> Interval:
    """Return a score of summed areas with its jackknife interval over images.

    Args:
        score: from sums (draws, columns) to scores (draws,).
        areas: of each image, (images, columns).
        images_per_class: images that show each class, (classes,), of a mean over classes; it has no interval where too
            many classes are rare.
    """
    total, count = areas.sum(axis=0).astype(float), len(areas)
    value = float(score(total[None])[0])
    doubt = Doubt() if images_per_class is None else unsure(images_per_class)
    if doubt.hopeless or count < 2:
        return Interval(value, None, None, count, count, NOTHING, doubt.reason or few(count, "images"))
    low, high = share_ends(value, jackknife(score(total - areas)))
    return Interval(value, low, high, count, count, "jackknife of images", few(count, "images") or doubt.reason)


def scores(areas: np.ndarray) -> dict[str, Interval]:
    """Return ``miou`` and ``macc`` (means over classes) and ``aacc`` (share of pixels), with their intervals.

    Args:
        areas: (images, 4, classes).
    """
    inside, labelled = areas[:, INTERSECTION], areas[:, LABELLED]
    images_per_class, found = (labelled > 0).sum(axis=0), np.hstack([inside, labelled])
    return {
        "miou": interval_of_sums(mean_iou_of_sums, np.hstack([inside, areas[:, UNION]]), images_per_class),
        "macc": interval_of_sums(mean_accuracy_of_sums, found, images_per_class),
        "aacc": interval_of_sums(pixel_accuracy_of_sums, found),
    }


def chance_scores(labelled: np.ndarray) -> dict[str, float]:
    """Return the scores of maps that do not depend on the image: the better of one constant class and random classes.

    Args:
        labelled: labelled pixels of each class, (classes,).
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
    """Return the mean over the last axis without NaN; 0 where all is NaN (a resample of images without a label)."""
    there = ~np.isnan(values)
    mean: np.ndarray = np.where(there, values, 0).sum(-1) / np.maximum(there.sum(-1), 1)
    return mean

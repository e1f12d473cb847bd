"""Columns of outcomes, and scores of classes, from the areas of predicted maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldieval.families.object_column import object_column
from goldieval.metrics import miou
from goldieval.records.parts import ClassScore

AREAS = ("intersection", "union", "predicted", "labelled")  # in the order of metrics.miou


def area_columns(areas: np.ndarray, suffix: str = "") -> dict[str, np.ndarray]:
    """Return a column of lists for each kind of area.

    Args:
        areas: areas of each picture, shape (pictures, 4, classes).
        suffix: end of the names of the columns.
    """
    return {f"{name}{suffix}": object_column(areas[:, row].tolist()) for row, name in enumerate(AREAS)}


def class_scores(labels: Sequence[str], totals: np.ndarray) -> dict[str, ClassScore]:
    """Return the scores of each class; of several heads, the mean over those in whose truth or map the class is.

    Args:
        labels: label of each class.
        totals: areas summed over pictures, of each head, shape (heads, 4, classes).
    """
    iou, accuracy = map(_mean_over_heads, miou.per_class(totals))
    return {
        label: ClassScore(
            iou=None if np.isnan(iou[row]) else float(iou[row]),
            accuracy=None if np.isnan(accuracy[row]) else float(accuracy[row]),
            pixels=int(totals[0, miou.LABELLED, row]),
        )
        for row, label in enumerate(labels)
    }


def _mean_over_heads(scores: np.ndarray) -> np.ndarray:
    """Return the mean of the scores that are there, (classes,), NaN where none is."""
    there = ~np.isnan(scores)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.where(there, scores, 0).sum(axis=0) / there.sum(axis=0)
    return mean

"""How often each class of a task occurs, among labels or in masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.core.meter import tracked
from goldieval.data.masks import IGNORED, MaskSource
from goldieval.families.base import Prepared


@dataclass(frozen=True)
class ClassCount:
    """How often a class occurs.

    Attributes:
        name: Its name.
        images: Number of (test) images of the class; with masks, of images in which it has a pixel.
        share: With masks, its share of all labelled pixels, else None.
        train: Number of training images of the class.
    """

    name: str
    images: int
    share: float | None = None
    train: int = 0


def class_counts(prepared: Prepared[Any]) -> list[ClassCount]:
    """Return the counts of each class; empty if the task has no classes. Raises TaskError for an unreadable mask."""
    if prepared.class_labels is None:
        return []
    return _mask_classes(prepared) if prepared.dataset.masks else _labelled_classes(prepared)


def _labelled_classes(prepared: Prepared[Any]) -> list[ClassCount]:
    names, dataset = prepared.class_labels, prepared.dataset
    if names is None or dataset.labels is None:
        return []
    train = dataset.train if dataset.train is not None else np.zeros(len(dataset.labels), dtype=bool)
    tested, trained = (np.bincount(dataset.labels[rows], minlength=len(names)) for rows in (~train, train))
    return [ClassCount(name, int(tested[row]), train=int(trained[row])) for row, name in enumerate(names)]


def _mask_classes(prepared: Prepared[Any]) -> list[ClassCount]:
    """Count pixels and images of every class in all masks. Raises TaskError for a mask that cannot be read."""
    names, masks = list(prepared.class_labels or ()), prepared.dataset.masks or []
    pixels, images = np.zeros(len(names), dtype=np.int64), np.zeros(len(names), dtype=np.int64)
    for mask in tracked(masks, "reading masks", len(masks)):
        counted = _pixels(mask, len(names))
        pixels += counted
        images += counted > 0
    total = max(int(pixels.sum()), 1)
    return [ClassCount(name, int(images[row]), float(pixels[row] / total)) for row, name in enumerate(names)]


def _pixels(mask: MaskSource, classes: int) -> np.ndarray:
    try:
        read = mask.read()
    except OSError as error:
        raise TaskError(f"a mask cannot be read: {error}") from None
    labelled = read[read != IGNORED]
    return np.bincount(labelled[labelled < classes].ravel(), minlength=classes)

"""Shares of the classes in the pixels of one picture, in the truth and in predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldieval.data.masks import IGNORED

TRUE_WEIGHT = 4  # a small class of the truth matters more in a drawing than a small area of false prediction


def class_shares(truth: np.ndarray, predictions: Sequence[np.ndarray], classes: int) -> dict[int, list[float]]:
    """Return the shares in the labelled pixels of each class that occurs, in the truth and in each prediction.

    Args:
        truth: true class of every pixel, shape (height, width).
        predictions: predicted classes of the same pixels.
        classes: number of classes.

    Returns:
        Shares by class, the largest in the truth first.
    """
    labelled = truth != IGNORED
    counts = [np.bincount(each[labelled].ravel(), minlength=classes) for each in (truth, *predictions)]
    total = max(int(labelled.sum()), 1)
    present = np.flatnonzero(sum(counts))
    order = sorted(present.tolist(), key=lambda number: tuple(-int(count[number]) for count in counts))
    return {number: [float(count[number]) / total for count in counts] for number in order}


def by_importance(shares: dict[int, list[float]]) -> list[int]:
    """Return the classes by the largest of their shares, that in the truth times TRUE_WEIGHT, the largest first."""
    return sorted(shares, key=lambda number: -max(TRUE_WEIGHT * shares[number][0], *shares[number][1:]))


def percent(share: float) -> str:
    """Return a share in percent without digits behind the point; a smaller one is not shown as 0.

    >>> percent(0.256), percent(0.0), percent(0.0001)
    ('26', '0', '<1')
    """
    return "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"

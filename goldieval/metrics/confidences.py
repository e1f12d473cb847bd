"""Probabilities of classes: the softmax of scores, and what calibration needs of it for each sample."""

from __future__ import annotations

import numpy as np
import torch

from goldieval.metrics.calibration import BINS

COLUMNS = ("confidence", "nll", "brier")
CLASSWISE = "classwise_gap"


def confidences(scores: torch.Tensor, labels: torch.Tensor, factor: float | None) -> torch.Tensor:
    """Return confidence of the prediction, negative log-likelihood and Brier score, on the device of the scores.

    Args:
        scores: one score per class, (samples, classes).
        labels: class indices, (samples,).
        factor: factor of the scores before the softmax; None if there is none.

    Returns:
        (samples, 3) in the order of ``COLUMNS``; (samples, 0) without a factor.
    """
    if factor is None:
        return scores.new_empty((len(scores), 0))
    logarithms = torch.log_softmax(factor * scores, dim=1)
    true = logarithms.gather(1, labels[:, None])[:, 0]
    confidence = logarithms.gather(1, scores.argmax(1)[:, None])[:, 0].exp()
    squares = logarithms.exp_().square_().sum(1)
    return torch.stack([confidence, -true, squares - 2 * true.exp() + 1], dim=1)


def columns_of(found: torch.Tensor) -> dict[str, np.ndarray]:
    """Return the result of ``confidences`` as columns of outcomes, float32; none where it is empty."""
    values = found.cpu().numpy().astype(np.float32)
    return {name: np.ascontiguousarray(values[:, place]) for place, name in enumerate(COLUMNS[: values.shape[1]])}


def gap_sums(probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the sum of gaps of each class and bin of equal width, float64, (classes, ``BINS``).

    The gap of a sample and a class is the probability of the class minus whether it is the true one. Nearly all
    probabilities are in the first bin, so that only the others are sorted into bins one by one.

    Args:
        probabilities: on the CPU, (samples, classes).
        labels: class indices, (samples,).
    """
    classes = probabilities.shape[1]
    _, column, which, gap = _above_the_first_bin(probabilities, labels)
    sums = torch.bincount(column * BINS + which, gap, classes * BINS).view(classes, BINS)
    whole = probabilities.sum(0, dtype=torch.float64) - torch.bincount(labels, minlength=classes)
    sums[:, 0] = whole - sums[:, 1:].sum(1)
    return sums


def signed_gaps(probabilities: torch.Tensor, labels: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    """Return the sum over classes of each sample's gaps, with the sign of their bin, float64, (samples,).

    Args:
        probabilities: on the CPU, (samples, classes).
        labels: class indices, (samples,).
        signs: signs of ``gap_sums`` over all samples, (classes, ``BINS``).
    """
    first = signs[:, 0]
    row, column, which, gap = _above_the_first_bin(probabilities, labels)
    totals = (probabilities @ first.to(probabilities.dtype)).double() - first[labels]
    return totals + torch.bincount(row, gap * (signs[column, which] - first[column]), len(totals))


def _above_the_first_bin(
    probabilities: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return row, class, bin and gap of the probabilities that are not in the first bin."""
    inner = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1]
    row, column = (probabilities > 1 / BINS).nonzero(as_tuple=True)
    high = probabilities[row, column].double()
    return row, column, torch.bucketize(high, inner), high - (labels[row] == column).double()

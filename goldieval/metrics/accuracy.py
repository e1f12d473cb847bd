"""Ranks of the true class in a classification: how many classes score higher, and how many tie with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from goldieval.metrics.answers import answers_of
from goldieval.metrics.confidences import confidences
from goldieval.metrics.ranks import TIE, Ranks


class ClassRanks(NamedTuple):
    """One entry per sample.

    Attributes:
        ranks: of the true class; scores within ``TIE`` of its score count as ties.
        predictions: arg-max class, the first of equals, (samples,).
        places: number of classes before the true one in the order of arg-max, (samples,), so that place 0 is a hit at
            1. This is the usual definition of top-k accuracy; ``ranks`` shows how much of it depends on near-ties.
    """

    ranks: Ranks
    predictions: np.ndarray
    places: np.ndarray


class ClassCounts(NamedTuple):
    """What ``ClassRanks`` are made of, one entry per sample, on the device of the scores.

    Attributes:
        above: number of classes that score higher than the true one.
        tied: number of classes that score the same.
        places: see ``ClassRanks``.
        predictions: see ``ClassRanks``.
        true: the true class.
        true_score: its score, float32.
        wrong: the best wrong class.
        wrong_score: its score, float32.
        probability: see ``confidences``, (samples, 3), or (samples, 0) where scores have no probabilities.
    """

    above: torch.Tensor
    tied: torch.Tensor
    places: torch.Tensor
    predictions: torch.Tensor
    true: torch.Tensor
    true_score: torch.Tensor
    wrong: torch.Tensor
    wrong_score: torch.Tensor
    probability: torch.Tensor

    def ranks(self, classes: int) -> ClassRanks:
        """Return the ranks among a number of classes."""
        one = np.ones(len(self.above), dtype=np.int64)
        answers = answers_of((self.true_score, self.true), (self.wrong_score, self.wrong))
        above, tied, places, predictions = torch.stack(self[:4]).cpu().numpy()
        return ClassRanks(Ranks(above, tied, one, one, classes, answers), predictions, places)


def class_counts(scores: torch.Tensor, labels: torch.Tensor, factor: float | None = None) -> ClassCounts:
    """Compare the true class of every sample with the others; nothing is copied from the device.

    Args:
        scores: float32 cosines, (samples, classes).
        labels: class indices, (samples,).
        factor: factor of the scores before the softmax that makes them probabilities; None if there is none.
    """
    true = scores.gather(1, labels[:, None])
    above = (scores > true + TIE).sum(1)
    tied = (scores >= true - TIE).sum(1) - above - 1
    wrong = scores.scatter(1, labels[:, None], -torch.inf).max(1)
    earlier = torch.arange(scores.shape[1], device=scores.device) < labels[:, None]
    places = ((scores > true) | ((scores == true) & earlier)).sum(1)
    probability = confidences(scores, labels, factor)
    return ClassCounts(
        above, tied, places, scores.argmax(1), labels, true[:, 0], wrong.indices, wrong.values, probability
    )


def joined_counts(parts: Sequence[ClassCounts]) -> ClassCounts:
    """Return the counts of several groups of samples as one."""
    return ClassCounts(*map(torch.cat, zip(*parts, strict=True)))


def true_class_ranks(scores: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
    """Rank the true class of every sample.

    Args:
        scores: float32 cosines, (samples, classes).
        labels: class indices, (samples,).

    >>> found = true_class_ranks(torch.tensor([[0.9, 0.1], [0.8, 0.3]]), torch.tensor([0, 1]))
    >>> found.ranks.low.tolist(), found.predictions.tolist(), found.places.tolist()
    ([1, 2], [0, 0], [0, 1])
    """
    return class_counts(scores, labels).ranks(scores.shape[1])


def mean_per_class(hits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of the recalls of all classes that occur (balanced accuracy).

    Args:
        hits: 0 or 1, (samples,).
        labels: class indices, (samples,).

    >>> mean_per_class(np.array([1.0, 1.0, 0.0]), np.array([0, 0, 1]))
    0.5
    """
    _, which = np.unique(labels, return_inverse=True)
    return float(np.mean(np.bincount(which, hits) / np.bincount(which)))

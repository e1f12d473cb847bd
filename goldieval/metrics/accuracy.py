"""Ranks of the true class in a classification: how many classes score higher, and how many tie with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from goldieval.metrics.answers import answers_of
from goldieval.metrics.ranks import TIE, Ranks, joined


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


def true_class_ranks(scores: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
    """Rank the true class of every sample.

    Args:
        scores: float32 cosines, (samples, classes).
        labels: class indices, (samples,).

    >>> found = true_class_ranks(torch.tensor([[0.9, 0.1], [0.8, 0.3]]), torch.tensor([0, 1]))
    >>> found.ranks.low.tolist(), found.predictions.tolist(), found.places.tolist()
    ([1, 2], [0, 0], [0, 1])
    """
    true = scores.gather(1, labels[:, None])
    above = (scores > true + TIE).sum(1)
    tied = (scores >= true - TIE).sum(1) - above - 1
    one = np.ones(len(labels), dtype=np.int64)
    wrong = scores.scatter(1, labels[:, None], -torch.inf).max(1)
    answers = answers_of((true[:, 0], labels), (wrong.values, wrong.indices))
    ranks = Ranks(above.cpu().numpy(), tied.cpu().numpy(), one, one, scores.shape[1], answers)
    earlier = torch.arange(scores.shape[1], device=scores.device) < labels[:, None]
    places = ((scores > true) | ((scores == true) & earlier)).sum(1)
    return ClassRanks(ranks, scores.argmax(1).cpu().numpy(), places.cpu().numpy())


def joined_classes(parts: Sequence[ClassRanks]) -> ClassRanks:
    """Return several groups of samples as one."""
    return ClassRanks(
        joined([part.ranks for part in parts]),
        np.concatenate([part.predictions for part in parts]),
        np.concatenate([part.places for part in parts]),
    )


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

"""Classification by counting: how many classes beat, and how many tie with, the true one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from goldieval.metrics.ranks import TIE, Ranks, joined


class ClassRanks(NamedTuple):
    """One entry a sample.

    ranks: of the true class, scores within ``TIE`` of it counted as ties.   predictions: arg-max class, the first of
    equals.   places: how many classes come before the true one in that same order, so that place 0 is a hit at 1; this
    is what everyone reports as top-k, and ``ranks`` says what near-ties are worth in it.
    """

    ranks: Ranks
    predictions: np.ndarray
    places: np.ndarray


def true_class_ranks(scores: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
    """Rank the true class of every sample.

    Args:
        scores: (samples, classes) float32 cosines.   labels: (samples,) class indices.

    >>> found = true_class_ranks(torch.tensor([[0.9, 0.1], [0.8, 0.3]]), torch.tensor([0, 1]))
    >>> found.ranks.low.tolist(), found.predictions.tolist(), found.places.tolist()
    ([1, 2], [0, 0], [0, 1])
    """
    true = scores.gather(1, labels[:, None])
    above = (scores > true + TIE).sum(1)
    tied = (scores >= true - TIE).sum(1) - above - 1
    one = np.ones(len(labels), dtype=np.int64)
    ranks = Ranks(above.cpu().numpy(), tied.cpu().numpy(), one, one, scores.shape[1])
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
    """Mean over the classes that occur of the share of hits (balanced accuracy).

    >>> mean_per_class(np.array([1.0, 1.0, 0.0]), np.array([0, 0, 1]))
    0.5
    """
    _, which = np.unique(labels, return_inverse=True)
    return float(np.mean(np.bincount(which, hits) / np.bincount(which)))

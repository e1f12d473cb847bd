"""Classification by counting: how many classes beat, and how many tie with, the true one."""

from __future__ import annotations

import numpy as np
import torch

from goldieval.metrics.ranks import TIE, Ranks


def true_class_ranks(scores: torch.Tensor, labels: torch.Tensor) -> tuple[Ranks, np.ndarray]:
    """Rank the true class of every sample.

    Args:
        scores: (samples, classes) float32 cosines.   labels: (samples,) class indices.

    Returns:
        the ranks, and the predicted class of every sample (the first of equals, as argmax gives it).

    >>> ranks, predictions = true_class_ranks(torch.tensor([[0.9, 0.1], [0.8, 0.3]]), torch.tensor([0, 1]))
    >>> ranks.low.tolist(), predictions.tolist()
    ([1, 2], [0, 0])
    """
    true = scores.gather(1, labels[:, None])
    above = (scores > true + TIE).sum(1)
    tied = (scores >= true - TIE).sum(1) - above - 1
    one = np.ones(len(labels), dtype=np.int64)
    ranks = Ranks(above.cpu().numpy(), tied.cpu().numpy(), one, one, scores.shape[1])
    return ranks, scores.argmax(1).cpu().numpy()


def mean_per_class(hits: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the classes that occur of the share of hits (balanced accuracy).

    >>> mean_per_class(np.array([1.0, 1.0, 0.0]), np.array([0, 0, 1]))
    0.5
    """
    _, which = np.unique(labels, return_inverse=True)
    return float(np.mean(np.bincount(which, hits) / np.bincount(which)))

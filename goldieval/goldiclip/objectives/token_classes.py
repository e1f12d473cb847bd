"""SuperCLIP's token classification: predict which tokens a caption has, weighted by inverse document frequency."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def k_hot(captions: Sequence[Sequence[int]], vocab_size: int, special: Sequence[int] = ()) -> torch.Tensor:
    """Return ones at the distinct ids of each caption.

    Args:
        captions: Token ids of each caption.
        vocab_size: Size of the vocabulary.
        special: Ids that are left out.

    Returns:
        Shape (captions, vocabulary), zeros and ones.
    """
    hot = torch.zeros(len(captions), vocab_size)
    for row, ids in zip(hot, captions, strict=True):
        row[torch.tensor(sorted(set(ids) - set(special)), dtype=torch.long)] = 1
    return hot


class InverseDocumentFrequency(nn.Module):
    """Document frequencies, counted online; the weight of a token is log((n + 1) / (df + 1)).

    Counts are integers: exact for any number of documents, also on devices without float64.

    Attributes:
        frequency: Number of documents that have each token, shape (vocabulary,).
        documents: Number of documents.
    """

    frequency: torch.Tensor
    documents: torch.Tensor

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.register_buffer("frequency", torch.zeros(vocab_size, dtype=torch.int64))
        self.register_buffer("documents", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def count(self, hot: torch.Tensor) -> None:
        """Add a batch of documents, k-hot of shape (n, vocabulary), and those of all other processes."""
        batch = torch.cat([hot.sum(0), hot.new_tensor([len(hot)])]).to(torch.int64)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(batch)
        self.frequency += batch[:-1]
        self.documents += batch[-1]

    def weights(self) -> torch.Tensor:
        """Return the weight of each token, shape (vocabulary,), float32."""
        return ((self.documents + 1) / (self.frequency + 1)).log()


def token_class_loss(logits: torch.Tensor, hot: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy to the weighted, row-normalised k-hot target; a row without a target counts 0.

    Args:
        logits: Shape (n, vocabulary).
        hot: K-hot targets, shape (n, vocabulary).
        weights: Weight of each token, shape (vocabulary,), not negative.
    """
    return -(_target(hot, weights) * logits.float().log_softmax(-1)).sum(1).mean()


def target_entropy(hot: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean entropy of the targets, which is the lowest value of ``token_class_loss``.

    It has no gradient; if it stayed in the loss, a learned loss weight would treat it as noise.
    """
    entropy: torch.Tensor = torch.special.entr(_target(hot, weights)).sum(1).mean()
    return entropy


def _target(hot: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    target = hot * weights.to(hot.dtype)
    return target / target.sum(1, keepdim=True).clamp_min(1e-12)

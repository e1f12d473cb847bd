"""SuperCLIP's token classification: predict which tokens the caption has, weighted by inverse document frequency."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def k_hot(captions: Sequence[Sequence[int]], vocab_size: int, special: Sequence[int] = ()) -> torch.Tensor:
    """Return (captions, vocabulary) with ones at the distinct ids of each caption, special ids left out."""
    hot = torch.zeros(len(captions), vocab_size)
    for row, ids in zip(hot, captions, strict=True):
        row[torch.tensor(sorted(set(ids) - set(special)), dtype=torch.long)] = 1
    return hot


class InverseDocumentFrequency(nn.Module):
    """Counts documents as they pass by; the weight of a token is log((n + 1) / (df + 1)).

    Counts are integers: exact for any number of documents, also on devices that have no float64.
    """

    frequency: torch.Tensor
    documents: torch.Tensor

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.register_buffer("frequency", torch.zeros(vocab_size, dtype=torch.int64))
        self.register_buffer("documents", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def count(self, hot: torch.Tensor) -> None:
        """Add a batch of documents, of all processes where there are several."""
        batch = torch.cat([hot.sum(0), hot.new_tensor([len(hot)])]).to(torch.int64)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(batch)
        self.frequency += batch[:-1]
        self.documents += batch[-1]

    def weights(self) -> torch.Tensor:
        """Return (vocabulary,) in float32."""
        return ((self.documents + 1) / (self.frequency + 1)).log()


def token_class_loss(logits: torch.Tensor, hot: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy to the weighted, row-normalised K-hot target; a caption without a target counts 0.

    Args:
        logits: (n, vocabulary).   hot: (n, vocabulary).   weights: (vocabulary,) not negative.
    """
    return -(_target(hot, weights) * logits.float().log_softmax(-1)).sum(1).mean()


def target_entropy(hot: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean entropy of the targets, which is as low as ``token_class_loss`` can get.

    Nothing can be learned from it; left in, a learned loss weight would take it for noise.
    """
    entropy: torch.Tensor = torch.special.entr(_target(hot, weights)).sum(1).mean()
    return entropy


def _target(hot: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    target = hot * weights.to(hot.dtype)
    return target / target.sum(1, keepdim=True).clamp_min(1e-12)

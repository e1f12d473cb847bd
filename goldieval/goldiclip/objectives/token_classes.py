"""SuperCLIP's token classification: predict which tokens a caption has, weighted by inverse document frequency.

A target is sparse: a few of the vocabulary's tokens. It stays a list of ids, and the loss needs no more of the logits
than their normaliser and their values at these ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from goldieval.goldiclip.gather import several_processes
from goldieval.goldiclip.objectives.blocks import rows_within, summed


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
    def count(self, ids: torch.Tensor, documents: int) -> None:
        """Add a batch of documents, and those of all other processes.

        Args:
            ids: The distinct ids of each document, one document after the other, int64.
            documents: Number of documents.
        """
        batch = torch.cat([torch.zeros_like(self.frequency), self.documents.new_full((1,), documents)])
        batch.index_add_(0, ids, torch.ones_like(ids))
        if several_processes():
            torch.distributed.all_reduce(batch)
        self.frequency += batch[:-1]
        self.documents += batch[-1]

    def weights(self) -> torch.Tensor:
        """Return the weight of each token, shape (vocabulary,), float32."""
        return ((self.documents + 1) / (self.frequency + 1)).log()


@dataclass(frozen=True)
class TokenTargets:
    """The target distributions of n images over the vocabulary.

    Attributes:
        ids: Distinct ids, one image after the other, shape (m,).
        rows: The image that each of them belongs to, shape (m,).
        starts: Place in ``ids`` at which each image begins, and m, shape (n + 1,), on the host.
        shares: Share of each id in its image's target, shape (m,): they sum to 1, or to 0 where no id has a weight.
    """

    ids: torch.Tensor
    rows: torch.Tensor
    starts: torch.Tensor
    shares: torch.Tensor

    @classmethod
    def of(cls, ids: torch.Tensor, rows: torch.Tensor, starts: torch.Tensor, weights: torch.Tensor) -> TokenTargets:
        """Return the targets in which each id has a share by its weight.

        Args:
            ids: See ``TokenTargets``.
            rows: See ``TokenTargets``.
            starts: See ``TokenTargets``.
            weights: Weight of each token, shape (vocabulary,), not negative.
        """
        own = weights[ids]
        sums = own.new_zeros(len(starts) - 1).index_add_(0, rows, own)
        return cls(ids, rows, starts, own / sums.clamp_min(1e-12)[rows])

    def images(self, start: int, stop: int) -> TokenTargets:
        """Return the targets of some of the images."""
        first, last = self.starts[[start, stop]].tolist()
        parts = (self.ids[first:last], self.rows[first:last] - start, self.starts[start : stop + 1] - first)
        return TokenTargets(*parts, self.shares[first:last])

    def entropy(self) -> torch.Tensor:
        """Return the mean entropy of the targets, which is the lowest value of ``token_class_loss``.

        If it stayed in the loss, a learned loss weight would treat it as noise.
        """
        entropy: torch.Tensor = torch.special.entr(self.shares).sum() / (len(self.starts) - 1)
        return entropy


def token_class_loss(
    head: Callable[[torch.Tensor], torch.Tensor],
    features: torch.Tensor,
    targets: TokenTargets,
    vocab_size: int,
    parameters: Sequence[torch.Tensor] = (),
) -> torch.Tensor:
    """Return the mean cross-entropy of images to their targets, in blocks; an image without a target counts 0.

    Args:
        head: Maps features (images, ..., width) to logits in float32, (images, vocabulary).
        features: Shape (n, ..., width): one or more vectors of each image, which the head classifies and pools.
        targets: Targets of the images.
        vocab_size: Size of the vocabulary.
        parameters: Parameters of ``head``.
    """

    def of_images(start: int, features: torch.Tensor) -> torch.Tensor:
        logits, own = head(features), targets.images(start, start + len(features))
        mass = own.shares.new_zeros(len(features)).index_add_(0, own.rows, own.shares)
        return (mass * logits.logsumexp(1)).sum() - (own.shares * logits[own.rows, own.ids]).sum()

    vectors = features[0].numel() // features.shape[-1]
    block = rows_within(4 * 5 * vocab_size * vectors)
    total = summed(of_images, (features,), parameters=parameters, block=block)
    return total / len(features)

"""Gradient caching (GradCache, arXiv 2101.06983): losses of a whole batch whose features are computed in parts.

Features are first computed part by part without gradients, and joined; the losses see no difference. Their backward
pass ends at the joined features. Then each part is encoded again, with gradients, and goes on from there. Activations
of one part at a time are kept; the price is that each feature is computed twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.encoders import Encoder
from goldieval.goldiclip.model import GoldiClip


@dataclass(frozen=True)
class Again:
    """What is encoded again of one part, and where its backward pass begins.

    Attributes:
        encoder: What is encoded.
        part: The part of the batch.
        gradients: Gradient of each tensor that the encoder returns; None where no loss depends on it.
    """

    encoder: Encoder
    part: Batch
    gradients: tuple[torch.Tensor | None, ...]

    def outputs(self, model: GoldiClip) -> list[torch.Tensor]:
        """Return the tensors that have a gradient."""
        encoded = self.encoder(model, self.part)
        return [tensor for tensor, gradient in zip(encoded, self.gradients, strict=True) if gradient is not None]

    def backward(self, outputs: list[torch.Tensor]) -> None:
        """Continue the backward pass of the losses.

        Args:
            outputs: What ``outputs`` has returned.
        """
        known = (gradient for gradient in self.gradients if gradient is not None)
        torch.autograd.backward(
            outputs, [gradient.to(tensor.dtype) for tensor, gradient in zip(outputs, known, strict=True)]
        )


class FeatureCache:
    """Features of one batch, computed in parts."""

    def __init__(self, batch: Batch, parts: int) -> None:
        """Divide a batch.

        Args:
            batch: The batch.
            parts: Number of micro-batches; a batch of fewer images has one for each image.
        """
        count = min(parts, len(batch))
        self._parts = [batch.part(number, count) for number in range(count)]
        self._leaves: dict[Encoder, tuple[torch.Tensor, ...]] = {}

    @torch.no_grad()
    def encoded(self, encoder: Encoder, model: GoldiClip) -> tuple[torch.Tensor, ...]:
        """Return what an encoder returns for the whole batch, without its graph."""
        rows = [encoder(model, part) for part in self._parts]
        torch.clear_autocast_cache()  # it holds weights without their graph, and the losses would take them
        return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))

    def leaves(self, encoder: Encoder, model: GoldiClip) -> tuple[torch.Tensor, ...]:
        """Return the same as leaves of the graph of the losses."""
        leaves = tuple(tensor.requires_grad_() for tensor in self.encoded(encoder, model))
        self._leaves[encoder] = leaves
        return leaves

    def again(self) -> list[Again]:
        """Return what has to be encoded again after the backward pass of the losses, which has ended at the leaves."""
        return [
            Again(encoder, part, gradients)
            for encoder, leaves in self._leaves.items()
            if any(leaf.grad is not None for leaf in leaves)
            for part, gradients in zip(self._parts, self._by_part(leaves), strict=True)
        ]

    def _by_part(self, leaves: tuple[torch.Tensor, ...]) -> list[tuple[torch.Tensor | None, ...]]:
        """Divide the gradients of an encoder's leaves by part."""
        images, count = sum(map(len, self._parts)), len(self._parts)
        divided = []
        for leaf in leaves:
            sizes = [len(part) * len(leaf) // images for part in self._parts]
            divided.append([None] * count if leaf.grad is None else torch.split(leaf.grad, sizes))
        return list(zip(*divided, strict=True))

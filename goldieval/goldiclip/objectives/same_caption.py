"""Contrastive distillation of conditioned features, whose negatives are other images pooled for the same caption.

Captions differ and images are compared for one caption at a time, so text alone cannot win. Each caption of a process
pools the images of all processes; neither their patches nor what is pooled from them is ever held whole.
"""

from __future__ import annotations

import torch

from goldieval.goldiclip.gather import pieces_of_all
from goldieval.goldiclip.objectives.blocks import rows_within, with_gradients
from goldieval.goldiclip.objectives.distillation import SCALE
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.goldiclip.precision import in_float32, unit


def same_caption_contrast(
    student: torch.Tensor,
    texts: torch.Tensor,
    pool: TextConditionedPool,
    patches: torch.Tensor,
    first: int = 0,
    scale: float = SCALE,
) -> torch.Tensor:
    """Contrast each student feature with the teacher's features of all images for the same caption.

    Args:
        student: The student's pooled features of this process's views, shape (b, views, captions, d).
        texts: Text features of the captions, not normalised, without a gradient, shape (b, captions, d).
        pool: The teacher's pooling.
        patches: The teacher's patch features of this process's images, shape (b, patches, d).
        first: Row of this process's first image among those of all processes.
        scale: Logit scale.

    Returns:
        The mean cross-entropy over images, views and captions.
    """
    ours = unit(student)
    with torch.no_grad():
        queries, images = pool.queries(texts.flatten(0, 1)), _Images(ours, scale)
        piece_size = rows_within(4 * 6 * len(queries) * ours.shape[-1])
        place = 0
        for piece in pieces_of_all(patches, piece_size):
            pooled = pool.attend(queries.expand(len(piece), *queries.shape), pool.keys_values(piece))
            images.add(place - first, unit(pooled).view(len(piece), *texts.shape[:2], -1))
            place += len(piece)
        total, gradient = images.loss()
    if torch.is_grad_enabled() and ours.requires_grad:
        total = with_gradients(total, (ours,), (gradient,))
    return total / ours[..., 0].numel()


class _Images:
    """A softmax over images that arrive in pieces: what it needs is kept up to date, and the pieces are not kept.

    Attributes:
        ours: The student's unit vectors, shape (b, views, captions, d).
        correct: The teacher's unit vectors of each image for its own captions, shape (b, captions, d).
        highest: Highest logit so far, shape (b, views, captions).
        weight: Sum of the exponentials of the logits less the highest, same shape.
        mean: Sum of the teacher's unit vectors by these exponentials, shape (b, views, captions, d).
    """

    def __init__(self, ours: torch.Tensor, scale: float) -> None:
        self.ours, self.scale = ours.detach(), scale
        self.correct = torch.zeros_like(self.ours[:, 0])
        self.highest = self.ours.new_full(ours.shape[:-1], -scale)  # no logit is lower
        self.weight, self.mean = torch.zeros_like(self.highest), torch.zeros_like(self.ours)

    def add(self, place: int, theirs: torch.Tensor) -> None:
        """Add images.

        Args:
            place: Row of the first of them among this process's, negative or too large where they belong to others.
            theirs: Unit vectors, shape (images, b, captions, d).
        """
        with in_float32(theirs):
            logits = self.scale * torch.einsum("bvcd,jbcd->bvcj", self.ours, theirs)
            highest = torch.maximum(self.highest, logits.amax(-1))
            weights, shrink = (logits - highest[..., None]).exp_(), (self.highest - highest).exp_()
            self.weight = self.weight * shrink + weights.sum(-1)
            self.mean = self.mean * shrink[..., None] + torch.einsum("bvcj,jbcd->bvcd", weights, theirs)
            self.highest = highest
        start, stop = max(place, 0), min(place + len(theirs), len(self.ours))
        if start < stop:
            own = theirs[start - place : stop - place, start:stop].diagonal()  # (captions, d, images)
            self.correct[start:stop] = own.permute(2, 0, 1)

    def loss(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sum of the cross-entropies, and its gradient with respect to ``ours``."""
        correct = self.correct[:, None]
        total = self.highest + self.weight.log() - self.scale * (self.ours * correct).sum(-1)
        return total.sum(), self.scale * (self.mean / self.weight[..., None] - correct)

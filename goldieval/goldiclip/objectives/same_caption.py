"""Contrastive distillation of conditioned features, whose negatives are other images pooled for the same caption.

Captions differ and images are compared for one caption at a time, so text alone cannot win. Each caption of a process
pools the images of all processes; neither their patches nor what is pooled from them is ever held whole.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from goldieval.goldiclip.gather import pieces_of_all
from goldieval.goldiclip.heads import DistillationHead
from goldieval.goldiclip.objectives.blocks import rows_within, with_gradients
from goldieval.goldiclip.objectives.distillation import least
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.goldiclip.precision import in_float32, unit


def same_caption_contrast(
    student: torch.Tensor,
    texts: torch.Tensor,
    pool: TextConditionedPool,
    patches: torch.Tensor,
    scale: torch.Tensor,
    first: int = 0,
    head: DistillationHead | None = None,
    less_floor: bool = False,
) -> torch.Tensor:
    """Contrast each student feature with the teacher's features of all images for the same caption.

    Args:
        student: The student's pooled features of this process's views, shape (b, views, captions, d).
        texts: Text features of the captions, not normalised, without a gradient, shape (b, captions, d).
        pool: The teacher's pooling.
        patches: The teacher's patch features of this process's images, shape (b, patches, d).
        scale: Logit scale.
        first: Row of this process's first image among those of all processes.
        head: The teacher's projection of what it pools; the student's features have been through its own.
        less_floor: Whether to subtract what the loss cannot fall below, whatever the student, see ``least``.

    Returns:
        The mean cross-entropy over images, views and captions.
    """
    ours, views = unit(student), student.shape[1]
    with torch.no_grad():
        taught = _Taught(pool, head, texts, patches)
        images = _Images(torch.cat([ours, taught.of_own()], dim=1) if less_floor else ours, scale)
        for place, features in taught.of_all():
            images.add(place - first, features)
        losses, pulls = images.losses()
        total, pull = losses[:, :views].sum(), pulls[:, :views]
        floor = least(losses[:, views:], pulls[:, views:], images.ours[:, views:], scale).mean() if less_floor else 0
    if torch.is_grad_enabled() and (ours.requires_grad or scale.requires_grad):
        total = with_gradients(total, (ours, scale), (scale.detach() * pull, (ours.detach() * pull).sum()))
    return total / ours[..., 0].numel() - floor


class _Taught:
    """The teacher's features of images, pooled for the captions of this process and projected, as unit vectors."""

    def __init__(
        self, pool: TextConditionedPool, head: DistillationHead | None, texts: torch.Tensor, patches: torch.Tensor
    ) -> None:
        self.pool, self.head, self.patches = pool, head, patches
        self.queries = pool.queries(texts)
        width = 6 * texts.shape[-1] + (3 * head.hidden if head is not None else 0)
        self.piece = rows_within(4 * width * texts[..., 0].numel())

    def of_own(self) -> torch.Tensor:
        """Return each image of this process for its own captions, shape (b, 1, captions, d)."""
        starts = range(0, len(self.patches), self.piece)
        blocks = [slice(start, start + self.piece) for start in starts]
        return torch.cat([self._features(self.queries[rows], self.patches[rows]) for rows in blocks])[:, None]

    def of_all(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the row of the first of some images of all processes, and these, shape (images, b, captions, d)."""
        place, flat = 0, self.queries.flatten(0, 1)
        for piece in pieces_of_all(self.patches, self.piece):
            features = self._features(flat.expand(len(piece), *flat.shape), piece)
            yield place, features.view(len(piece), *self.queries.shape[:2], -1)
            place += len(piece)

    def _features(self, queries: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        pooled = self.pool.attend(queries, self.pool.keys_values(patches))
        return unit(pooled if self.head is None else self.head(pooled))


class _Images:
    """A softmax over images that arrive in pieces: what it needs is kept up to date, and the pieces are not kept.

    Attributes:
        ours: The student's unit vectors, shape (b, views, captions, d).
        correct: The teacher's unit vectors of each image for its own captions, shape (b, captions, d).
        highest: Highest logit so far, shape (b, views, captions).
        weight: Sum of the exponentials of the logits less the highest, same shape.
        mean: Sum of the teacher's unit vectors by these exponentials, shape (b, views, captions, d).
    """

    def __init__(self, ours: torch.Tensor, scale: torch.Tensor) -> None:
        self.ours, self.scale = ours.detach(), scale.detach()
        self.correct = torch.zeros_like(self.ours[:, 0])
        self.highest = (-self.scale).expand(ours.shape[:-1])  # no logit is lower
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

    def losses(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the cross-entropies, and their gradients with respect to ``ours``, divided by the scale."""
        correct = self.correct[:, None]
        losses = self.highest + self.weight.log() - self.scale * (self.ours * correct).sum(-1)
        return losses, self.mean / self.weight[..., None] - correct

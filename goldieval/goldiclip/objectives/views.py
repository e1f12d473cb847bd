"""COSMOS's contrasts between lists of views (section 2.3): every view of one list against every view of the other."""

from __future__ import annotations

import torch

from goldieval.goldiclip.gather import gathered
from goldieval.goldiclip.objectives.contrastive import softmax_contrastive


def view_contrast(left: torch.Tensor, right: torch.Tensor, scale: torch.Tensor, first: int = 0) -> torch.Tensor:
    """Return InfoNCE in both directions, averaged over all pairs of views.

    Args:
        left: Unit vectors of this process, shape (b, m, d).
        right: Unit vectors of this process, shape (b, n, d).
        scale: Logit scale.
        first: Row of this process's first image among those of all processes.
    """
    all_left, all_right = gathered(left), gathered(right)
    pairs = zip(left.unbind(1), all_left.unbind(1), strict=True)
    parts = [softmax_contrastive(view, right, everywhere, all_right, scale, first) for view, everywhere in pairs]
    return torch.stack(parts).mean()


def cross_distillation(
    students: tuple[torch.Tensor, torch.Tensor],
    teachers: tuple[torch.Tensor, torch.Tensor],
    scale: torch.Tensor,
    first: int = 0,
) -> torch.Tensor:
    """Return the mean contrast of the student's cross-modal features with the teacher's plain ones.

    Args:
        students: Image and text features, each unit vectors of shape (b, views, d).
        teachers: Image and text features, each unit vectors of shape (b, views, d).
        scale: Logit scale.
        first: Row of this process's first image among those of all processes.
    """
    parts = [view_contrast(ours, theirs.detach(), scale, first) for ours in students for theirs in teachers]
    return torch.stack(parts).mean()

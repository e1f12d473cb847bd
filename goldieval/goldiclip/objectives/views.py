"""COSMOS's distillation (section 2.3): every view of the student's lists against every view of the teacher's."""

from __future__ import annotations

import torch

from goldieval.goldiclip.objectives.contrastive import softmax_contrastive


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
    parts = [softmax_contrastive(ours, theirs.detach(), scale, first) for ours in students for theirs in teachers]
    return torch.stack(parts).mean()

"""COSMOS's contrasts between lists of views (section 2.3): every view of one list against every view of the other."""

from __future__ import annotations

import torch

from goldieval.goldiclip.gather import gathered
from goldieval.goldiclip.objectives.contrastive import softmax_contrastive


def view_contrast(left: torch.Tensor, right: torch.Tensor, scale: torch.Tensor, first: int = 0) -> torch.Tensor:
    """InfoNCE both ways, averaged over all pairs of views; views of the same picture and caption are not left out.

    Args:
        left: (b, m, d) and right: (b, n, d), unit vectors of this process.   first: our first row among all.
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
    """Mean contrast of the student's cross-modal image and text features with the teacher's plain ones.

    Args:
        students, teachers: (images, texts), each (b, views, d) unit vectors.
    """
    parts = [view_contrast(ours, theirs.detach(), scale, first) for ours in students for theirs in teachers]
    return torch.stack(parts).mean()

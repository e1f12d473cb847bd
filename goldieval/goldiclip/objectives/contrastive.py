"""Contrast between images and captions: softmax (CLIP) and sigmoid (SigLIP, FLAIR's multi-positive form)."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def in_float32(tensor: torch.Tensor) -> torch.autocast:
    """Switch mixed precision off: a logit of 10 in bfloat16 is off by up to 0.03, which a contrast would learn from."""
    return torch.autocast(tensor.device.type, enabled=False)


def softmax_contrastive(
    images: torch.Tensor,
    texts: torch.Tensor,
    all_images: torch.Tensor,
    all_texts: torch.Tensor,
    scale: torch.Tensor,
    first: int = 0,
) -> torch.Tensor:
    """InfoNCE both ways, averaged over an image's captions; other captions of the same image are left out.

    Args:
        images: (b, d) and texts: (b, k, d), unit vectors of this process.   all_images, all_texts: (g, d), (g, k, d)
            of all processes, whose rows ``first`` to ``first + b`` are ours.   scale: multiplies the cosines.
    """
    rows = torch.arange(len(images), device=images.device) + first
    losses = []
    with in_float32(images):
        for caption in range(texts.shape[1]):
            to_text = scale * images.float() @ all_texts[:, caption].float().T
            to_image = scale * texts[:, caption].float() @ all_images.float().T
            losses.append((F.cross_entropy(to_text, rows) + F.cross_entropy(to_image, rows)) / 2)
    return torch.stack(losses).mean()


def sigmoid_contrastive(
    images: torch.Tensor, all_texts: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, first: int = 0
) -> torch.Tensor:
    """FLAIR's multi-positive sigmoid loss: every caption of an image is its positive, all others are negatives.

    Args:
        images: (b, d) unit vectors of this process.   all_texts: (g, k, d) of all processes, ours from ``first``.

    Returns:
        the sum over all pairs divided by b * k
    """
    count, captions = len(images), all_texts.shape[1]
    with in_float32(images):
        logits = scale * images.float() @ all_texts.flatten(0, 1).float().T + bias
    own = torch.arange(len(all_texts), device=images.device).repeat_interleave(captions)
    sign = torch.where(own[None] == torch.arange(count, device=images.device)[:, None] + first, 1.0, -1.0)
    return -F.logsigmoid(sign * logits).sum() / (count * captions)

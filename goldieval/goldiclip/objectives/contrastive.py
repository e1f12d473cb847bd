"""Contrast between images and captions: softmax (CLIP) and sigmoid (SigLIP, FLAIR's multi-positive form)."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def in_float32(tensor: torch.Tensor) -> torch.autocast:
    """Switch mixed precision off: in bfloat16 a logit of 10 has an error of up to 0.03, too much for a contrast."""
    return torch.autocast(tensor.device.type, enabled=False)


def softmax_contrastive(
    images: torch.Tensor,
    texts: torch.Tensor,
    all_images: torch.Tensor,
    all_texts: torch.Tensor,
    scale: torch.Tensor,
    first: int = 0,
) -> torch.Tensor:
    """Return CLIP's loss: InfoNCE in both directions, averaged over an image's captions.

    Each caption is contrasted with one caption of every other image; other captions of its own image are left out.

    Args:
        images: Unit vectors of this process, shape (b, d).
        texts: Unit vectors of this process, shape (b, k, d).
        all_images: Unit vectors of all processes, shape (g, d).
        all_texts: Unit vectors of all processes, shape (g, k, d).
        scale: Logit scale.
        first: Row of this process's first image among those of all processes.
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
    """Return FLAIR's multi-positive sigmoid loss: captions of an image are its positives, all others its negatives.

    Args:
        images: Unit vectors of this process, shape (b, d).
        all_texts: Unit vectors of all processes, shape (g, k, d).
        scale: Logit scale.
        bias: Logit bias.
        first: Row of this process's first image among those of all processes.

    Returns:
        The sum over all pairs divided by b * k.
    """
    count, captions = len(images), all_texts.shape[1]
    with in_float32(images):
        logits = scale * images.float() @ all_texts.flatten(0, 1).float().T + bias
    own = torch.arange(len(all_texts), device=images.device).repeat_interleave(captions)
    sign = torch.where(own[None] == torch.arange(count, device=images.device)[:, None] + first, 1.0, -1.0)
    return -F.logsigmoid(sign * logits).sum() / (count * captions)

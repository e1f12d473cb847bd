"""DreamLIP's grouping (section 4.1): a sub-caption picks patches, and their mean is contrasted with the captions."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.gather import gathered
from goldieval.goldiclip.objectives.contrastive import in_float32, softmax_contrastive

THRESHOLD = 0.1


def grouped(patches: torch.Tensor, texts: torch.Tensor, threshold: float = THRESHOLD) -> torch.Tensor:
    """Weigh an image's patches for each of its captions.

    Cosines are stretched to 0 to 1 over the patches of an image; what lies below the threshold counts nothing; weights
    add up to 1.

    Args:
        patches: (b, patches, d) and texts: (b, k, d), unit vectors.

    Returns:
        (b, k, d) unit vectors
    """
    with in_float32(patches):
        cosines = texts.float() @ patches.float().transpose(1, 2)
        low, high = cosines.amin(-1, keepdim=True), cosines.amax(-1, keepdim=True)
        stretched = (cosines - low) / (high - low).clamp_min(1e-12)
        kept = stretched * (stretched >= threshold)
        weights = kept / kept.sum(-1, keepdim=True).clamp_min(1e-12)
        return F.normalize(weights @ patches.float(), dim=-1)


def grouping_contrast(
    patches: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, first: int = 0, threshold: float = THRESHOLD
) -> torch.Tensor:
    """InfoNCE both ways between grouped features and captions, over all pairs (image, caption) of the batch.

    Its negatives pair patches that one caption picked with another caption, which two texts alone may tell apart.

    Args:
        first: our first image among those of all processes.
    """
    features, captions = grouped(patches, texts, threshold).flatten(0, 1), texts.flatten(0, 1)[:, None]
    row = first * texts.shape[1]
    return softmax_contrastive(features, captions, gathered(features), gathered(captions), scale, row)

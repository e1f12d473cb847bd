"""DreamLIP's grouping (section 4.1): a sub-caption selects patches, whose mean is contrasted with the captions."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.objectives.blocks import recomputed, rows_within
from goldieval.goldiclip.objectives.contrastive import softmax_contrastive
from goldieval.goldiclip.precision import in_float32, unit

THRESHOLD = 0.1  # stretched cosines below it get no weight


def grouped(patches: torch.Tensor, texts: torch.Tensor, threshold: float = THRESHOLD) -> torch.Tensor:
    """Return a weighted mean of an image's patches for each of its captions.

    The cosines of a caption with an image's patches are stretched to the range from 0 to 1, those below the threshold
    are set to 0, and the rest is normalised to a sum of 1.

    Args:
        patches: Unit vectors, shape (b, patches, d).
        texts: Unit vectors, shape (b, k, d).
        threshold: Lowest stretched cosine that counts.

    Returns:
        Unit vectors of shape (b, k, d).
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
    """Return InfoNCE in both directions between grouped features and captions, over all pairs of the batch.

    A negative pairs the patches that one caption selected with another caption, which two texts alone may separate.

    Args:
        patches: Patch features, normalised or not, shape (b, patches, d).
        texts: Unit vectors, shape (b, k, d).
        scale: Logit scale.
        first: Row of this process's first image among those of all processes.
        threshold: See ``grouped``.
    """
    block = rows_within(4 * 4 * patches.shape[1] * (patches.shape[2] + texts.shape[1]))
    features = recomputed(lambda image, text: grouped(unit(image), text, threshold), (patches, texts), block=block)
    left, right = (side.flatten(0, 1)[:, None] for side in (features, texts))
    return softmax_contrastive(left, right, scale, first * texts.shape[1])

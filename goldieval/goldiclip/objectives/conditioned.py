"""FLAIR's text-conditioned sigmoid loss: each image is pooled for a caption and compared with that same caption.

The pooling of a negative pair is conditioned on the foreign caption, so that comparing two texts cannot separate it
from a positive pair.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.pooling import TextConditionedPool


def sampled_columns(images: int, captions: int, generator: torch.Generator, rows: range | None = None) -> torch.Tensor:
    """Choose for every image its own captions and one caption of every other image.

    Args:
        images: Number of images.
        captions: Captions per image.
        generator: Draws the foreign captions.
        rows: Images to choose for, all by default; what is chosen for an image does not depend on it.

    Returns:
        Indices into the flattened captions, shape (rows, images + captions - 1), ascending. In the row of image i, its
        own captions stand in columns i to i + captions.
    """
    rows = range(images) if rows is None else rows
    chosen = torch.randint(captions, (images, images), generator=generator)[rows.start : rows.stop]
    image, place = torch.arange(rows.start, rows.stop)[:, None], torch.arange(images + captions - 1)
    owner = torch.where(place < image, place, torch.maximum(place - captions + 1, image))
    return owner * captions + torch.where(owner == image, place - image, chosen.gather(1, owner))


def conditioned_sigmoid(
    pool: TextConditionedPool,
    patches: torch.Tensor,
    texts: torch.Tensor,
    columns: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor,
    first: int = 0,
) -> torch.Tensor:
    """Contrast images, pooled for a caption, with that caption.

    Args:
        pool: Text-conditioned pooling.
        patches: Patch features of this process's images, shape (b, patches, d).
        texts: Caption features of all processes, not normalised, shape (g, k, d).
        columns: Indices into the g * k captions, shape (b, c), see ``sampled_columns``.
        scale: Logit scale.
        bias: Logit bias.
        first: Row of this process's first image among those of all processes.

    Returns:
        The sum over the chosen pairs of this process, multiplied by the number of processes and divided by c, so that
        the mean over processes is the loss of the whole batch.
    """
    captions, processes = texts.shape[1], len(texts) / len(patches)
    flat = texts.flatten(0, 1)
    pooled = pool.attend(pool.queries(flat)[columns], pool.keys_values(patches))
    cosine = (F.normalize(pooled.float(), dim=-1) * F.normalize(flat.float(), dim=-1)[columns]).sum(-1)
    owner = torch.arange(len(patches), device=columns.device)[:, None] + first
    sign = torch.where(columns // captions == owner, 1.0, -1.0)
    return -F.logsigmoid(sign * (scale * cosine + bias)).sum() * processes / columns.shape[1]

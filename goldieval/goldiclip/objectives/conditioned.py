"""FLAIR's text-conditioned sigmoid loss: each image is pooled for a caption and compared with that same caption.

A foreign caption conditions the pooling as well, so that the pair cannot be told apart by comparing two texts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.pooling import TextConditionedPool


def sampled_columns(images: int, captions: int, generator: torch.Generator, rows: range | None = None) -> torch.Tensor:
    """Choose for every image its own captions and one caption of every other image.

    Args:
        rows: of which images, all by default; what is chosen for an image does not depend on it.

    Returns:
        (rows, images + captions - 1) indices into the flattened captions, ascending; an image's own captions stand in
        columns i to i + captions of row i
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
    """Contrast conditioned image features with their captions.

    Args:
        patches: (b, patches, d) of this process's images.   texts: (g, k, d) of all processes, not normalised.
        columns: (b, c) indices into the g * k captions, see ``sampled_columns``.   first: our first image among all.

    Returns:
        the sum over the chosen pairs of all processes, of which ours are a sample, divided by their number an image
    """
    captions, processes = texts.shape[1], len(texts) / len(patches)
    flat = texts.flatten(0, 1)
    pooled = pool.attend(pool.queries(flat)[columns], pool.keys_values(patches))
    cosine = (F.normalize(pooled.float(), dim=-1) * F.normalize(flat.float(), dim=-1)[columns]).sum(-1)
    owner = torch.arange(len(patches), device=columns.device)[:, None] + first
    sign = torch.where(columns // captions == owner, 1.0, -1.0)
    return -F.logsigmoid(sign * (scale * cosine + bias)).sum() * processes / columns.shape[1]

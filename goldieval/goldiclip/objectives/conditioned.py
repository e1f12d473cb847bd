"""FLAIR's text-conditioned sigmoid loss: each image is pooled for a caption and compared with that same caption.

The pooling of a negative pair is conditioned on the foreign caption, so that comparing two texts cannot separate it
from a positive pair. Pairs are computed in tiles of own images and captions of all processes: memory is that of a tile.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.objectives.blocks import rows_within, summed
from goldieval.goldiclip.pooling import KeysValues, TextConditionedPool
from goldieval.goldiclip.precision import unit

WORD = 8  # bytes at the end of a row of draws


def foreign_captions(draws: torch.Tensor, captions: int, start: int, stop: int) -> torch.Tensor:
    """Choose one caption of each of some images, for every row of draws.

    A byte chooses among the captions, some of which it favours where their number is no power of two; the word at the
    end of the row rotates all its choices, which gives each caption the same chance.

    Args:
        draws: Random bytes, see ``data.draws.drawn_bytes``, shape (rows, width).
        captions: Captions per image.
        start: First of the images.
        stop: Image behind the last one.

    Returns:
        Places of the captions among those of their image, shape (rows, stop - start).
    """
    byte = draws[:, start:stop].to(torch.int32)
    rotation = draws[:, -WORD:].contiguous().view(torch.int64).remainder(captions).to(torch.int32)
    return ((byte * captions >> 8) + rotation).remainder(captions)


def conditioned_sigmoid(
    pool: TextConditionedPool,
    patches: torch.Tensor,
    texts: torch.Tensor,
    all_texts: torch.Tensor,
    draws: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor,
    first: int = 0,
) -> torch.Tensor:
    """Contrast images, pooled for a caption, with that caption: all their own ones, and one of every other image.

    The query of a caption is projected once for each block of own images, and keys and values of an image once.

    Args:
        pool: Text-conditioned pooling.
        patches: Patch features of this process's images, shape (b, patches, d).
        texts: Caption features of this process's images, not normalised, shape (b, k, d).
        all_texts: Those of all processes, shape (g, k, d).
        draws: Random bytes that choose the foreign captions, shape (b, width), see ``foreign_captions``.
        scale: Logit scale.
        bias: Logit bias.
        first: Row of this process's first image among those of all processes.

    Returns:
        The sum over the pairs of this process, multiplied by the number of processes and divided by g + k - 1, so that
        the mean over processes is the loss of the whole batch.
    """
    parameters = tuple(pool.parameters())
    images, captions, dim = all_texts.shape
    rows = min(len(patches), rows_within(4 * 8 * patches.shape[1] * dim))  # keys, values, norms, and their gradients
    columns = rows_within(4 * dim * (12 * rows + 8 * captions))  # pairs; queries and their gradients

    def of_images(
        row: int, patches: torch.Tensor, texts: torch.Tensor, draws: torch.Tensor, *shared: torch.Tensor
    ) -> torch.Tensor:
        all_texts, scale, bias = shared
        memory, owner = pool.keys_values(patches), torch.arange(len(patches), device=patches.device)[:, None]
        own = pair_losses(pool, memory, pool.queries(texts), unit(texts), 1, scale, bias).sum()

        def of_foreign(place: int, texts: torch.Tensor, *shared: torch.Tensor) -> torch.Tensor:
            keys, values, scale, bias = shared
            image = torch.arange(len(texts), device=texts.device)
            chosen = image * captions + foreign_captions(draws, captions, place, place + len(texts))
            queries = pool.queries(texts).flatten(0, 1)[chosen]
            targets = unit(texts.flatten(0, 1))[chosen]
            losses = pair_losses(pool, KeysValues(keys, values), queries, targets, -1, scale, bias)
            return losses.masked_fill(image + place == owner + first + row, 0).sum()

        return own + summed(of_foreign, (all_texts,), (*memory, scale, bias), parameters, block=columns)

    total = summed(of_images, (patches, texts, draws), (all_texts, scale, bias), parameters, block=rows)
    return total * (images / len(patches)) / (images + captions - 1)


def pair_losses(
    pool: TextConditionedPool,
    memory: KeysValues,
    queries: torch.Tensor,
    texts: torch.Tensor,
    sign: float,
    scale: torch.Tensor,
    bias: torch.Tensor,
) -> torch.Tensor:
    """Return the loss of each pair of an image and a caption.

    Args:
        pool: Text-conditioned pooling.
        memory: Keys and values of n images.
        queries: Projected queries of the captions, shape (n, c, heads, head width).
        texts: Unit vectors of the same captions, shape (n, c, d).
        sign: 1 where the captions belong to the images, -1 where they are foreign.
        scale: Logit scale.
        bias: Logit bias.

    Returns:
        Shape (n, c), float32.
    """
    cosines = (unit(pool.attend(queries, memory)) * texts).sum(-1)
    return F.softplus(-sign * (scale * cosines + bias))

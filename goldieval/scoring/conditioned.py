"""Exact text-conditioned scores by tiles: every image is pooled for every text, and no pooled feature is ever kept.

With z the heads' outputs for an image and a text, W and b the output projection and t the unit text vector, the score
is <Wz + b, t> / |Wz + b|. The numerator is z . (W't) + b.t, and with W = QR the norm is |Rz + Q'b|; R is triangular,
so its blocks below the diagonal are never multiplied. Queries are projected once a text, keys and values once an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F

from goldieval.metrics.accuracy import ClassRanks, joined_classes, true_class_ranks
from goldieval.metrics.ranks import RankCounter, Ranks

IMAGES, TEXTS = 8, 256  # a tile; larger ones fall out of a CPU's cache, see benchmarks/conditioned_scoring.py
BLOCKS = 4  # of the triangular factor


class Pool(Protocol):
    """What scoring needs of a text-conditioned pooling, see ``goldieval.goldiclip.pooling``."""

    out: torch.nn.Linear

    def queries(self, texts: torch.Tensor) -> torch.Tensor: ...

    def keys_values(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]: ...


class TextSide(NamedTuple):
    """queries (texts, heads, head width); weights W't (texts, dim); offsets b.t (texts,)."""

    queries: torch.Tensor
    weights: torch.Tensor
    offsets: torch.Tensor


class ConditionedScorer:
    """Scores of images, given as patch tokens, against texts, given as text vectors that are not normalised.

    Args:
        pool: the model's pooling.   texts: (texts, dim).
    """

    def __init__(self, pool: Pool, texts: torch.Tensor) -> None:
        self.pool = pool
        weight, bias = pool.out.weight.float(), pool.out.bias.float()
        orthogonal, triangular = torch.linalg.qr(weight)
        self._triangle, self._shift = triangular, orthogonal.T @ bias
        unit = F.normalize(texts.float(), dim=-1)
        self.texts = TextSide(pool.queries(texts.float()), unit @ weight, unit @ bias)

    def tile(self, patches: torch.Tensor, first: int, last: int) -> torch.Tensor:
        """Score images (n, patches, dim) against texts ``first`` to ``last``; return (texts, n)."""
        keys, values = (F.pad(part, (0, 0, 0, 1)) for part in self.pool.keys_values(patches.float()))
        return self._score(self._heads(self.texts.queries[first:last].transpose(0, 1), keys, values), first, last).T

    def pairs(self, patches: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Score image i against text ``texts[i]``, shapes (n, patches, dim) and (n,); return (n,)."""
        keys, values = (F.pad(part, (0, 0, 0, 1)) for part in self.pool.keys_values(patches.float()))
        queries = self.texts.queries[texts].unsqueeze(2)
        pooled = F.scaled_dot_product_attention(queries, keys, values).squeeze(2).flatten(1)
        return self._cosine(pooled, self.texts.weights[texts], self.texts.offsets[texts])

    def _heads(self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Attend; queries (heads, texts, head width) are shared by all images; return (images, texts, dim)."""
        shared = queries[None].expand(len(keys), -1, -1, -1)
        return F.scaled_dot_product_attention(shared, keys, values).transpose(1, 2).flatten(2)

    def _score(self, pooled: torch.Tensor, first: int, last: int) -> torch.Tensor:
        return self._cosine(pooled, self.texts.weights[first:last], self.texts.offsets[first:last])

    def _cosine(self, pooled: torch.Tensor, weights: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        along = (pooled * weights).sum(-1) + offsets
        return along / self._norm(pooled).clamp_min(1e-12)

    def _norm(self, pooled: torch.Tensor) -> torch.Tensor:
        """|Rz + Q'b| by blocks of rows, each of which needs the columns from its own on."""
        dim = pooled.shape[-1]
        step = -(-dim // BLOCKS)
        total = torch.zeros(pooled.shape[:-1], device=pooled.device)
        for row in range(0, dim, step):
            part = pooled[..., row:] @ self._triangle[row : row + step, row:].T + self._shift[row : row + step]
            total += part.square().sum(-1)
        return total.sqrt()


def conditioned_ranks(
    pool: Pool, texts: torch.Tensor, patches: torch.Tensor, positives: torch.Tensor
) -> tuple[Ranks, Ranks]:
    """Rank both ways by exact text-conditioned scores; memory does not depend on the number of texts.

    Args:
        texts: (texts, dim) not normalised.   patches: (images, patches, dim).   positives: (pairs, 2) text, image.

    Returns:
        (text to image, image to text)
    """
    scorer = ConditionedScorer(pool, texts)
    scores = conditioned_pairs(scorer, patches, positives)
    counter = RankCounter(positives, scores, len(texts), len(patches))
    for image in range(0, len(patches), IMAGES):
        for first, tile in _tiles(scorer, patches[image : image + IMAGES], len(texts)):
            counter.update(tile, first, image)
    return counter.result()


def conditioned_pairs(scorer: ConditionedScorer, patches: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Return the score of each pair (text index, image index), shape (pairs,)."""
    return torch.cat([scorer.pairs(patches[part[:, 1]], part[:, 0]) for part in torch.split(pairs, TEXTS)])


def conditioned_classes(pool: Pool, classes: torch.Tensor, patches: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
    """Rank the true class of every image and predict one.

    Args:
        classes: (classes, dim).   patches: (images, patches, dim).   labels: (images,) class indices.
    """
    scorer = ConditionedScorer(pool, classes)
    parts = zip(torch.split(patches, IMAGES), torch.split(labels, IMAGES), strict=True)
    return joined_classes([true_class_ranks(_rows(scorer, part, len(classes)), true) for part, true in parts])


def conditioned_matrix(pool: Pool, texts: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """Return all scores, (images, texts), for tests and small questions."""
    scorer = ConditionedScorer(pool, texts)
    return torch.cat(
        [_rows(scorer, patches[image : image + IMAGES], len(texts)) for image in range(0, len(patches), IMAGES)]
    )


def _rows(scorer: ConditionedScorer, patches: torch.Tensor, texts: int) -> torch.Tensor:
    return torch.cat([tile for _, tile in _tiles(scorer, patches, texts)]).T


def _tiles(scorer: ConditionedScorer, patches: torch.Tensor, texts: int) -> Iterator[tuple[int, torch.Tensor]]:
    for first in range(0, texts, TEXTS):
        yield first, scorer.tile(patches, first, min(first + TEXTS, texts)).contiguous()

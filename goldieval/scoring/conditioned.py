"""Exact text-conditioned scores by tiles: every image is pooled for every text, and no pooled feature is ever stored.

With z the heads' outputs for an image and a text, W and b the output projection and t the unit text vector, the score
is <Wz + b, t> / |Wz + b|. The numerator is z . (W't) + b.t, and with W = QR the norm is |Rz + Q'b|; R is triangular,
so its blocks below the diagonal are never multiplied. Queries are projected once per text, keys and values once per
image (on a CPU once for each 4,096 texts, so that memory does not grow with their number).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F

from goldieval.core.meter import Meter, metered, tracked
from goldieval.metrics.accuracy import ClassRanks, joined_classes, true_class_ranks
from goldieval.metrics.ranks import RankCounter, Ranks

IMAGES, TEXTS = 8, 256  # tile size on a CPU, chosen for its cache: 8 x 1,024 took 11 % longer, 8 x 4,096 23 %
DEVICE_IMAGES, DEVICE_TEXTS = 32, 2048  # on an accelerator, where small tiles are dominated by kernel launches
PROJECTED, DEVICE_PROJECTED = 4096, 65536  # number of texts whose projections are kept at a time
BLOCKS = 4  # of the triangular factor


class Pool(Protocol):
    """The members of a text-conditioned pooling that scoring uses, see ``goldieval.goldiclip.pooling``."""

    out: torch.nn.Linear

    def queries(self, texts: torch.Tensor) -> torch.Tensor: ...

    def keys_values(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]: ...


class TextSide(NamedTuple):
    """Projections of texts.

    Attributes:
        queries: Shape (texts, heads, head width).
        weights: W't, shape (texts, dim).
        offsets: b.t, shape (texts,).
    """

    queries: torch.Tensor
    weights: torch.Tensor
    offsets: torch.Tensor


class PatchKeysValues(NamedTuple):
    """Keys and values of images including the null slot, each of shape (images, heads, patches + 1, head width)."""

    keys: torch.Tensor
    values: torch.Tensor


class ConditionedScorer:
    """Scores of images, given as patch tokens, against texts, given as text vectors before normalisation.

    Args:
        pool: The model's pooling.
        texts: Text vectors, shape (texts, dim).
    """

    def __init__(self, pool: Pool, texts: torch.Tensor) -> None:
        self.pool = pool
        weight, bias = pool.out.weight.float(), pool.out.bias.float()
        orthogonal, triangular = torch.linalg.qr(weight)
        self._triangle, self._shift = triangular, orthogonal.T @ bias
        texts = texts.float()
        lengths = texts.norm(dim=-1).clamp_min(1e-12)
        weights = (texts @ weight).div_(lengths[:, None])  # in place, without unit vectors: one table less in memory
        self.texts = TextSide(pool.queries(texts), weights, texts @ bias / lengths)

    def __len__(self) -> int:
        return len(self.texts.offsets)

    def memory(self, patches: torch.Tensor) -> PatchKeysValues:
        """Project patch tokens of images (n, patches, dim), once for all texts."""
        keys, values = self.pool.keys_values(patches.float())
        return PatchKeysValues(F.pad(keys, (0, 0, 0, 1)), F.pad(values, (0, 0, 0, 1)))

    def tile(self, memory: PatchKeysValues, first: int, last: int) -> torch.Tensor:
        """Score images against texts ``first`` to ``last``; return shape (texts, n)."""
        queries, weights, offsets = (part[first:last] for part in self.texts)
        shared = queries.transpose(0, 1)[None].expand(len(memory.keys), -1, -1, -1)
        return self._cosine(_attended(shared, memory), weights, offsets).T

    def lists(self, memory: PatchKeysValues, texts: torch.Tensor) -> torch.Tensor:
        """Score each image against its own list of text indices, shape (n, m); return shape (n, m)."""
        queries, weights, offsets = (part[texts] for part in self.texts)
        return self._cosine(_attended(queries.transpose(1, 2), memory), weights, offsets)

    def rows(self, patches: torch.Tensor) -> torch.Tensor:
        """Score images (n, patches, dim) against all texts; return shape (n, texts)."""
        return torch.cat([tile for _, tile in self.tiles(patches)]).T

    def tiles(self, patches: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the index of the first text of each tile and its scores, (texts, n), for images that fit one tile."""
        memory, (_, step) = self.memory(patches), tile_size(patches.device)
        for first in range(0, len(self), step):
            yield first, self.tile(memory, first, first + step).contiguous()

    def _cosine(self, pooled: torch.Tensor, weights: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        along = (pooled * weights).sum(-1) + offsets
        return along / self._norm(pooled).clamp_min(1e-12)

    def _norm(self, pooled: torch.Tensor) -> torch.Tensor:
        """Return |Rz + Q'b|, computed by blocks of rows, each of which needs the columns from its diagonal on."""
        dim = pooled.shape[-1]
        step = -(-dim // BLOCKS)
        total = torch.zeros(pooled.shape[:-1], device=pooled.device)
        for row in range(0, dim, step):
            part = pooled[..., row:] @ self._triangle[row : row + step, row:].T + self._shift[row : row + step]
            total += part.square().sum(-1)
        return total.sqrt()


def tile_size(device: torch.device) -> tuple[int, int]:
    """Return the number of images and of texts in a tile."""
    return (IMAGES, TEXTS) if device.type == "cpu" else (DEVICE_IMAGES, DEVICE_TEXTS)


def _held(device: torch.device) -> int:
    return PROJECTED if device.type == "cpu" else DEVICE_PROJECTED


def _attended(queries: torch.Tensor, memory: PatchKeysValues) -> torch.Tensor:
    """Attend with queries (images, heads, texts, head width); return concatenated heads, (images, texts, dim)."""
    return F.scaled_dot_product_attention(queries, memory.keys, memory.values).transpose(1, 2).flatten(2)


def conditioned_ranks(
    pool: Pool, texts: torch.Tensor, patches: torch.Tensor, positives: torch.Tensor
) -> tuple[Ranks, Ranks]:
    """Rank both directions by exact text-conditioned scores; memory does not depend on the number of texts.

    Args:
        pool: The model's pooling.
        texts: Text vectors before normalisation, shape (texts, dim).
        patches: Patch tokens, shape (images, patches, dim).
        positives: Pairs (text index, image index), shape (pairs, 2).

    Returns:
        Ranks of text to image and of image to text.
    """
    counter = RankCounter(positives, conditioned_pairs(pool, texts, patches, positives), len(texts), len(patches))
    held = _held(patches.device)
    with metered("scoring pairs", len(texts) * len(patches)) as meter:
        for start in range(0, len(texts), held):
            _count(counter, ConditionedScorer(pool, texts[start : start + held]), start, patches, meter)
    return counter.result()


def _count(counter: RankCounter, scorer: ConditionedScorer, start: int, patches: torch.Tensor, meter: Meter) -> None:
    """Count all images against the texts from ``start`` on; projections are freed before the next are computed."""
    step, _ = tile_size(patches.device)
    for image in range(0, len(patches), step):
        for first, tile in scorer.tiles(patches[image : image + step]):
            counter.update(tile, start + first, image)
            meter.advance(tile.numel())


def conditioned_pairs(pool: Pool, texts: torch.Tensor, patches: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Return the score of each pair (text index, image index), shape (pairs,), a limited number of texts at a time."""
    scores = torch.empty(len(pairs), device=patches.device)
    for part in torch.split(torch.argsort(pairs[:, 1], stable=True), _held(patches.device)):
        wanted, rows = torch.unique(pairs[part, 0], return_inverse=True)
        listed = torch.stack([rows, pairs[part, 1]], dim=1)
        scores[part] = listed_pairs(ConditionedScorer(pool, texts[wanted]), patches, listed)
    return scores


def listed_pairs(scorer: ConditionedScorer, patches: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Return the score of each pair (text index, image index), shape (pairs,); each image is projected once.

    Images are grouped into tiles by their number of texts, so that the lists within a tile have similar lengths.
    """
    device, (many, step) = patches.device, tile_size(patches.device)
    images, owner, counts = torch.unique(pairs[:, 1].cpu(), return_inverse=True, return_counts=True)
    order = torch.argsort(owner, stable=True)  # pairs by image
    texts, starts = pairs[:, 0].cpu()[order], counts.cumsum(0) - counts
    scores = torch.empty(len(pairs), device=device)
    tiles = torch.split(torch.argsort(counts, descending=True), many)
    for tile in tracked(tiles, "scoring images against their listed texts", len(tiles)):
        memory = scorer.memory(patches[images[tile].to(device)])
        for first in range(0, int(counts[tile[0]]), step):
            left = counts[tile] - first
            here = int((left > 0).sum())  # the first images of the tile: those with enough texts
            left = left[:here, None].clamp_max(step)
            places = torch.arange(int(left[0]))[None].expand(here, -1)
            wanted, rows = places < left, starts[tile[:here], None] + first + torch.minimum(places, left - 1)
            found = scorer.lists(PatchKeysValues(*(part[:here] for part in memory)), texts[rows].to(device))
            scores[order[rows[wanted]].to(device)] = found[wanted.to(device)]
    return scores


def conditioned_classes(pool: Pool, classes: torch.Tensor, patches: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
    """Rank the true class of every image and predict a class.

    Args:
        pool: The model's pooling.
        classes: Class vectors, shape (classes, dim).
        patches: Patch tokens, shape (images, patches, dim).
        labels: Class indices, shape (images,).
    """
    scorer, (step, _) = ConditionedScorer(pool, classes), tile_size(patches.device)
    parts = list(zip(torch.split(patches, step), torch.split(labels, step), strict=True))
    return joined_classes(
        [true_class_ranks(scorer.rows(part), true) for part, true in tracked(parts, "scoring images", len(parts))]
    )


def conditioned_matrix(pool: Pool, texts: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """Return all scores, shape (images, texts), for tests and small samples."""
    scorer, (step, _) = ConditionedScorer(pool, texts), tile_size(patches.device)
    return torch.cat([scorer.rows(part) for part in torch.split(patches, step)])

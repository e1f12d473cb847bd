"""Exact text-conditioned scores by tiles: every image is pooled for every text, and no pooled feature is ever stored.

With z the heads' outputs for an image and a text, W and b the output projection and t the unit text vector, the score
is <Wz + b, t> / |Wz + b|. The numerator is z . (W't) + b.t, and with W = QR the norm is |Rz + Q'b|; R is triangular,
so its blocks below the diagonal are never multiplied. Queries are projected once per text, keys and values once per
image (on a CPU once for each 4,096 texts, so that memory does not grow with their number).

A pooling with a function ``finish`` (beta-CLIP's MLP) is no linear function of z: there, pooled features of a tile are
computed and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from goldieval.core.units import one_thread

IMAGES, TEXTS = 8, 256  # tile size on a CPU, chosen for its cache: 8 x 1,024 took 11 % longer, 8 x 4,096 23 %
DEVICE_IMAGES, DEVICE_TEXTS = 32, 1024  # on an accelerator, where small tiles are dominated by kernel launches
PROJECTED, DEVICE_PROJECTED = 4096, 65536  # number of texts whose projections are kept at a time
BLOCKS = 4  # of the triangular factor


class Pool(Protocol):
    """The members of a text-conditioned pooling that scoring uses, see ``goldieval.goldiclip.pooling``.

    Optional members: ``null_slot`` (bool), whether a text may also attend to a zero key with a zero value, which is so
    unless it says no; ``finish(attended) -> pooled``, what is applied to the output projection.
    """

    out: torch.nn.Linear

    def queries(self, texts: torch.Tensor) -> torch.Tensor: ...

    def keys_values(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]: ...


class TextSide(NamedTuple):
    """Projections of texts.

    Attributes:
        queries: Shape (texts, heads, head width).
        weights: W't, shape (texts, dim); t itself for a pooling with ``finish``.
        offsets: b.t, shape (texts,).
    """

    queries: torch.Tensor
    weights: torch.Tensor
    offsets: torch.Tensor


class PatchKeysValues(NamedTuple):
    """Keys and values of images with a null slot if there is one, each of shape (images, heads, slots, head width)."""

    keys: torch.Tensor
    values: torch.Tensor


class Output(NamedTuple):
    """The output projection of a pooling, W and b, with W = QR.

    Attributes:
        weight: W, shape (dim, dim).
        bias: b, shape (dim,).
        triangle: R, shape (dim, dim).
        shift: Q'b, shape (dim,).
    """

    weight: torch.Tensor
    bias: torch.Tensor
    triangle: torch.Tensor
    shift: torch.Tensor


def output_of(pool: Pool) -> Output:
    """Factorise the output projection of a pooling, with one thread: the result depends on their number."""
    weight, bias = pool.out.weight.float(), pool.out.bias.float()
    with one_thread():
        orthogonal, triangle = torch.linalg.qr(weight)
        return Output(weight, bias, triangle, orthogonal.T @ bias)


class ConditionedScorer:
    """Scores of images, given as patch tokens, against texts, given as text vectors before normalisation.

    Args:
        pool: The model's pooling.
        texts: Text vectors, shape (texts, dim).
        output: Result of ``output_of``, if it is known.
    """

    def __init__(self, pool: Pool, texts: torch.Tensor, output: Output | None = None) -> None:
        self.pool = pool
        self._output = output or output_of(pool)
        self._finish: Callable[[torch.Tensor], torch.Tensor] | None = getattr(pool, "finish", None)
        self._null = (0, 0, 0, int(getattr(pool, "null_slot", True)))
        texts = texts.float()
        lengths = texts.norm(dim=-1).clamp_min(1e-12)
        weights = texts.clone() if self._finish else texts @ self._output.weight
        weights.div_(lengths[:, None])  # in place, without unit vectors: one table less in memory
        self.texts = TextSide(pool.queries(texts), weights, texts @ self._output.bias / lengths)

    def __len__(self) -> int:
        return len(self.texts.offsets)

    def memory(self, patches: torch.Tensor) -> PatchKeysValues:
        """Project patch tokens of images (n, patches, dim), once for all texts."""
        keys, values = self.pool.keys_values(patches.float())
        return PatchKeysValues(F.pad(keys, self._null), F.pad(values, self._null))

    def tile(self, memory: PatchKeysValues, first: int, last: int) -> torch.Tensor:
        """Score images against texts ``first`` to ``last``; return shape (texts, n)."""
        queries, weights, offsets = (part[first:last] for part in self.texts)
        shared = queries.transpose(0, 1)[None].expand(len(memory.keys), -1, -1, -1)
        return self._cosine(_attended(shared, memory), weights, offsets).T

    def lists(self, memory: PatchKeysValues, texts: torch.Tensor) -> torch.Tensor:
        """Score each image against its own list of text indices, shape (n, m); return shape (n, m)."""
        queries, weights, offsets = (part[texts] for part in self.texts)
        return self._cosine(_attended(queries.transpose(1, 2), memory), weights, offsets)

    def pooled(self, memory: PatchKeysValues, texts: torch.Tensor) -> torch.Tensor:
        """Pool each image for its own list of text indices, shape (n, m); return the features, (n, m, dim).

        Scores never need them: this is for a look at what they hold.
        """
        attended = _attended(self.texts.queries[texts].transpose(1, 2), memory)
        features = F.linear(attended, self._output.weight, self._output.bias)
        return self._finish(features) if self._finish else features

    def rows(self, patches: torch.Tensor) -> torch.Tensor:
        """Score images (n, patches, dim) against all texts; return shape (n, texts)."""
        return torch.cat([tile for _, tile in self.tiles(patches)]).T

    def tiles(self, patches: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the index of the first text of each tile and its scores, (texts, n), for images that fit one tile."""
        memory, (_, step) = self.memory(patches), tile_size(patches.device)
        for first in range(0, len(self), step):
            yield first, self.tile(memory, first, first + step).contiguous()

    def _cosine(self, pooled: torch.Tensor, weights: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        if self._finish:
            finished = self._finish(F.linear(pooled, self._output.weight, self._output.bias))
            return (F.normalize(finished, dim=-1) * weights).sum(-1)
        along = (pooled * weights).sum(-1) + offsets
        return along / self._norm(pooled).clamp_min(1e-12)

    def _norm(self, pooled: torch.Tensor) -> torch.Tensor:
        """Return |Rz + Q'b|, computed by blocks of rows, each of which needs the columns from its diagonal on."""
        dim = pooled.shape[-1]
        step = -(-dim // BLOCKS)
        total = torch.zeros(pooled.shape[:-1], device=pooled.device)
        triangle, shift = self._output.triangle, self._output.shift
        for row in range(0, dim, step):
            part = pooled[..., row:] @ triangle[row : row + step, row:].T + shift[row : row + step]
            total += part.square().sum(-1)
        return total.sqrt()


def tile_size(device: torch.device) -> tuple[int, int]:
    """Return the number of images and of texts in a tile."""
    return (IMAGES, TEXTS) if device.type == "cpu" else (DEVICE_IMAGES, DEVICE_TEXTS)


def held(device: torch.device) -> int:
    """Return the number of texts whose projections are kept at a time."""
    return PROJECTED if device.type == "cpu" else DEVICE_PROJECTED


def _attended(queries: torch.Tensor, memory: PatchKeysValues) -> torch.Tensor:
    """Attend with queries (images, heads, texts, head width); return concatenated heads, (images, texts, dim)."""
    with _one_kernel(queries.device):
        return F.scaled_dot_product_attention(queries, memory.keys, memory.values).transpose(1, 2).flatten(2)


def _one_kernel(device: torch.device) -> AbstractContextManager[object]:
    """Attend by the same kernel whatever the shapes: a pair's score must be the same in a tile and in a list.

    On CUDA, torch chooses a kernel by shape and hardware, and they round float32 differently: the fused ones compute
    products as three of TF32, whatever the settings. Only plain products follow ``full_float32``, and always work.
    """
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cuda" else nullcontext()


def conditioned_matrix(pool: Pool, texts: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """Return all scores, shape (images, texts), for tests and small samples."""
    scorer, (step, _) = ConditionedScorer(pool, texts), tile_size(patches.device)
    return torch.cat([scorer.rows(part) for part in torch.split(patches, step)])

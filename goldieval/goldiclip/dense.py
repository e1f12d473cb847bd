"""Dense features of a ViT made of open_clip's blocks: another attention in the last block, windows of any size."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from goldieval.goldiclip.attention import attention, by_head, joined_heads


def last_block(block: Any, hidden: torch.Tensor, attention: str) -> torch.Tensor:
    """Apply the last block of a tower.

    Args:
        block: The block, one of open_clip's.
        hidden: Tokens, shape (n, length, width).
        attention: ``plain``, ``csa`` or ``value``, see ``goldieval.models.adapter.Dense``.

    Returns:
        Tokens of the same shape.
    """
    return _LAST_BLOCKS[attention](block, hidden)


def correlated_block(block: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Apply one of open_clip's blocks with SCLIP's correlative self-attention (CSA).

    The attention weights are softmax(q q') + softmax(k k'), each scaled as usual; residual and MLP stay.

    Args:
        block: The block.
        hidden: Tokens, shape (n, length, width).

    Returns:
        Tokens of the same shape.
    """
    scale_1, scale_2 = getattr(block, "ls_1", nn.Identity()), getattr(block, "ls_2", nn.Identity())
    hidden = hidden + scale_1(_correlated(block.attn, block.ln_1(hidden)))
    mixed: torch.Tensor = hidden + scale_2(block.mlp(block.ln_2(hidden)))
    return mixed


def value_block(block: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Apply one of open_clip's blocks without mixing tokens: each receives its own value (MaskCLIP; FG-CLIP).

    Args:
        block: The block.
        hidden: Tokens, shape (n, length, width).

    Returns:
        Tokens of the same shape.
    """
    scale_1, scale_2 = getattr(block, "ls_1", nn.Identity()), getattr(block, "ls_2", nn.Identity())
    weights = block.attn
    value, bias = weights.in_proj_weight.chunk(3)[2], weights.in_proj_bias.chunk(3)[2]
    hidden = hidden + scale_1(weights.out_proj(F.linear(block.ln_1(hidden), value, bias)))
    alone: torch.Tensor = hidden + scale_2(block.mlp(block.ln_2(hidden)))
    return alone


def _correlated(weights: nn.MultiheadAttention, hidden: torch.Tensor) -> torch.Tensor:
    projected = F.linear(hidden, weights.in_proj_weight, weights.in_proj_bias)
    queries, keys, values = (by_head(part, weights.num_heads) for part in projected.chunk(3, dim=-1))
    mixed = attention(queries, queries, values) + attention(keys, keys, values)
    out: torch.Tensor = weights.out_proj(joined_heads(mixed))
    return out


_LAST_BLOCKS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "plain": lambda block, hidden: block(hidden),
    "csa": correlated_block,
    "value": value_block,
}


def at_least_a_patch(pixels: torch.Tensor, patch: int) -> torch.Tensor:
    """Repeat the last row and column of windows (n, channels, height, width) that are smaller than one patch."""
    height, width = pixels.shape[-2:]
    room = (0, max(patch - width, 0), 0, max(patch - height, 0))
    return F.pad(pixels, room, mode="replicate") if any(room) else pixels


class _Interpolated(torch.autograd.Function):
    """Bicubic interpolation whose backward pass is a product with a matrix: torch's own is not repeatable on CUDA."""

    @staticmethod
    def forward(ctx: Any, grid: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        """Return a grid of shape (1, width, side, side) as one of shape (1, width, rows, columns)."""
        ctx.sizes = grid.shape[-1], rows, columns
        return _bicubic(grid, rows, columns)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        with torch.autocast(gradient.device.type, enabled=False):
            found: torch.Tensor = gradient.flatten(2) @ _interpolation(*ctx.sizes, gradient.device)
        side = ctx.sizes[0]
        return found.view(*found.shape[:2], side, side), None, None


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def _interpolation(side: int, rows: int, columns: int, device: torch.device) -> torch.Tensor:
    """Return what interpolation does as a matrix, shape (rows * columns, side**2), float32."""
    each_place = torch.eye(side**2, device=device).view(1, -1, side, side)
    return _bicubic(each_place, rows, columns)[0].flatten(1).T.contiguous()


def _bicubic(grid: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    return F.interpolate(grid, size=(rows, columns), mode="bicubic", align_corners=False, antialias=False)


def positions_for(positions: torch.Tensor, side: int, rows: int, columns: int) -> torch.Tensor:
    """Interpolate position embeddings to another grid; those of the model's own grid are returned unchanged.

    Args:
        positions: Position embeddings, that of the class token first, shape (1 + side**2, width).
        side: Rows and columns of the model's own grid.
        rows: Rows of the grid.
        columns: Columns of the grid.

    Returns:
        Shape (1 + rows * columns, width).
    """
    if (rows, columns) == (side, side):
        return positions
    grid = positions[1:].T.reshape(1, -1, side, side).float()
    grid = _Interpolated.apply(grid, rows, columns)
    return torch.cat([positions[:1], grid[0].flatten(1).T.to(positions.dtype)])

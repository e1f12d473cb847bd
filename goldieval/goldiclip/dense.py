"""What dense features need of a ViT made of open_clip's blocks: another last block, and windows of any size."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from goldieval.goldiclip.attention import attention, by_head, joined_heads


def correlated_block(block: Any, hidden: torch.Tensor) -> torch.Tensor:
    """One of open_clip's blocks with a token attending to those of like query and to those of like key (SCLIP's CSA).

    The attention weights are softmax(q q') + softmax(k k'), each scaled as usual; residual and MLP stay.

    Args:
        hidden: (n, length, width).
    """
    scale_1, scale_2 = getattr(block, "ls_1", nn.Identity()), getattr(block, "ls_2", nn.Identity())
    hidden = hidden + scale_1(_correlated(block.attn, block.ln_1(hidden)))
    mixed: torch.Tensor = hidden + scale_2(block.mlp(block.ln_2(hidden)))
    return mixed


def _correlated(weights: nn.MultiheadAttention, hidden: torch.Tensor) -> torch.Tensor:
    projected = F.linear(hidden, weights.in_proj_weight, weights.in_proj_bias)
    queries, keys, values = (by_head(part, weights.num_heads) for part in projected.chunk(3, dim=-1))
    mixed = attention(queries, queries, values) + attention(keys, keys, values)
    out: torch.Tensor = weights.out_proj(joined_heads(mixed))
    return out


def at_least_a_patch(pixels: torch.Tensor, patch: int) -> torch.Tensor:
    """Repeat the last row and column of windows (n, channels, height, width) that are smaller than one patch."""
    height, width = pixels.shape[-2:]
    room = (0, max(patch - width, 0), 0, max(patch - height, 0))
    return F.pad(pixels, room, mode="replicate") if any(room) else pixels


def positions_for(positions: torch.Tensor, side: int, rows: int, columns: int) -> torch.Tensor:
    """Position embeddings (1 + side**2, width), the class token's first, for a grid; untouched at the model's own."""
    if (rows, columns) == (side, side):
        return positions
    grid = positions[1:].T.reshape(1, -1, side, side).float()
    grid = F.interpolate(grid, size=(rows, columns), mode="bicubic", align_corners=False, antialias=False)
    return torch.cat([positions[:1], grid[0].flatten(1).T.to(positions.dtype)])

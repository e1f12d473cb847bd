"""Projected patch features of open_clip's ViTs, for windows of any size. A new open_clip version affects this file."""

from __future__ import annotations

from typing import Any

import torch

from goldieval.goldiclip.dense import at_least_a_patch, last_block, positions_for


def dense_tower(module: Any) -> Any | None:
    """Return the image tower if it is open_clip's ViT with a class token, else None (ResNets, timm, CoCa)."""
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer

    tower: Any = getattr(module, "visual", None)
    plain = isinstance(tower, VisionTransformer) and tower.attn_pool is None
    if not plain or not all(isinstance(block, ResidualAttentionBlock) for block in tower.transformer.resblocks):
        return None
    return tower


def dense(tower: Any, pixels: torch.Tensor, attention: str) -> torch.Tensor:
    """Encode windows (n, 3, height, width): patches of the last layer, final LayerNorm, projection (as COSMOS, SCLIP).

    Args:
        tower: The image tower.
        pixels: The windows.
        attention: Attention of the last block: ``plain``, ``csa`` or ``value``, see ``goldieval.models.adapter.Dense``.

    Returns:
        Features, not normalised, shape (n, rows, columns, dim).
    """
    patches = patch_features(tower, pixels, attention)
    projected: torch.Tensor = patches if tower.proj is None else patches @ tower.proj
    return projected


def patch_features(tower: Any, pixels: torch.Tensor, attention: str = "plain") -> torch.Tensor:
    """Encode windows (n, 3, height, width): patches of the last layer after the final LayerNorm, not projected.

    Args:
        tower: The image tower.
        pixels: The windows.
        attention: Attention of the last block.

    Returns:
        Shape (n, rows, columns, width).
    """
    grid = tower.conv1(at_least_a_patch(pixels, tower.patch_size[0]))
    rows, columns = grid.shape[-2:]
    tokens = grid.flatten(2).transpose(1, 2)
    start = tower.class_embedding.to(tokens.dtype).expand(len(tokens), 1, -1)
    positions = positions_for(tower.positional_embedding, tower.grid_size[0], rows, columns)
    hidden = tower.ln_pre(torch.cat([start, tokens], dim=1) + positions.to(tokens.dtype))
    *blocks, last = tower.transformer.resblocks
    for block in blocks:
        hidden = block(hidden)
    hidden = last_block(last, hidden, attention)
    patches: torch.Tensor = tower.ln_post(hidden[:, 1:])
    return patches.reshape(len(pixels), rows, columns, -1)

"""Pooling modules with weights, and tokens for them."""

from __future__ import annotations

from unittest import mock

import torch
from torch import nn

from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.scoring import conditioned

PATCHES = 5


def multihead(pool: TextConditionedPool) -> nn.MultiheadAttention:
    """Torch's attention with a null slot and the pooling's weights."""
    attention = nn.MultiheadAttention(pool.dim, pool.heads, batch_first=True, add_zero_attn=True)
    parts = (pool.query, pool.key, pool.value)
    attention.load_state_dict(
        {
            "in_proj_weight": torch.cat([part.weight for part in parts]),
            "in_proj_bias": torch.cat([part.bias for part in parts]),
            "out_proj.weight": pool.out.weight,
            "out_proj.bias": pool.out.bias,
        }
    )
    return attention


def pool_of(dim: int, heads: int) -> TextConditionedPool:
    torch.manual_seed(dim)
    pool = TextConditionedPool(dim, heads)
    for weights in pool.parameters():
        nn.init.normal_(weights, std=dim**-0.5) if weights.ndim > 1 else nn.init.uniform_(weights, -0.3, 1.2)
    return pool.requires_grad_(False)


def made(images: int, texts: int, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts (texts, dim) of several lengths, patches (images, PATCHES, dim)."""
    generator = torch.Generator().manual_seed(images * texts)
    lengths = torch.rand(texts, 1, generator=generator) * 5 + 1
    return lengths * torch.randn(texts, dim, generator=generator), torch.randn(
        images, PATCHES, dim, generator=generator
    )


def tiles(images: int, texts: int, projected: int = 10) -> mock._patch[object]:
    """Reduce the tiles, and the number of texts that are projected at a time."""
    return mock.patch.multiple(conditioned, IMAGES=images, TEXTS=texts, PROJECTED=projected)

"""Multi-head attention with the weights of torch's ``nn.MultiheadAttention`` and a fast kernel.

torch's own forward projects repeated keys and values again each time. Under autocast it runs the CPU attention kernel
in bfloat16, which is 3 times slower than float32, while the projections around it are faster in bfloat16.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

HALVES = (torch.bfloat16, torch.float16)


def attention(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None = None,
    causal: bool = False,
) -> torch.Tensor:
    """Return scaled dot-product attention; a CPU computes half-precision inputs in float32.

    Args:
        queries: Shape (n, heads, length, head width).
        keys: Shape (n, heads, others, head width).
        values: Shape (n, heads, others, head width).
        mask: True where a query may attend; broadcasts to (n, heads, length, others).
        causal: Whether a query attends only to positions up to its own; not together with a mask.

    Returns:
        Shape (n, heads, length, head width), of the queries' type.
    """
    if queries.device.type != "cpu" or queries.dtype not in HALVES:
        return F.scaled_dot_product_attention(queries, keys, values, mask, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        parts = (queries.float(), keys.float(), values.float())
        return F.scaled_dot_product_attention(*parts, mask, is_causal=causal).to(queries.dtype)


def self_attention(weights: nn.MultiheadAttention, hidden: torch.Tensor, causal: bool) -> torch.Tensor:
    """Return what ``weights(hidden, hidden, hidden)`` returns, shape (n, length, width)."""
    projected = F.linear(hidden, weights.in_proj_weight, weights.in_proj_bias)
    queries, keys, values = (by_head(part, weights.num_heads) for part in projected.chunk(3, dim=-1))
    mixed: torch.Tensor = weights.out_proj(joined_heads(attention(queries, keys, values, causal=causal)))
    return mixed


def attention_of_one(
    weights: nn.MultiheadAttention, one: torch.Tensor, hidden: torch.Tensor, seen: torch.Tensor | None
) -> torch.Tensor:
    """Return the row of self-attention that belongs to one token, shape (n, 1, width).

    Args:
        weights: Weights of the attention.
        one: The token of each row, shape (n, 1, width).
        hidden: All tokens of the rows, shape (n, length, width).
        seen: True where the token may attend, shape (n, length); None where it may attend to all.
    """
    queries = by_head(queries_of(weights, one), weights.num_heads)
    keys, values = (by_head(part, weights.num_heads) for part in keys_values_of(weights, hidden).chunk(2, dim=-1))
    mask = None if seen is None else seen[:, None, None]
    mixed: torch.Tensor = weights.out_proj(joined_heads(attention(queries, keys, values, mask)))
    return mixed


def queries_of(weights: nn.MultiheadAttention, hidden: torch.Tensor) -> torch.Tensor:
    """Project (n, length, width) to queries of the same shape, not yet split by head."""
    width = weights.embed_dim
    return F.linear(hidden, weights.in_proj_weight[:width], weights.in_proj_bias[:width])


def keys_values_of(weights: nn.MultiheadAttention, memory: torch.Tensor) -> torch.Tensor:
    """Project (n, others, width) to keys and values side by side, (n, others, 2 * width), not yet split by head."""
    width = weights.embed_dim
    return F.linear(memory, weights.in_proj_weight[width:], weights.in_proj_bias[width:])


def by_head(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Reshape (n, length, width) to (n, heads, length, head width)."""
    return rows.view(*rows.shape[:2], heads, -1).transpose(1, 2)


def joined_heads(rows: torch.Tensor) -> torch.Tensor:
    """Reshape (n, heads, length, head width) to (n, length, width)."""
    return rows.transpose(1, 2).flatten(2)

"""Attention by the kernels that torch takes on a device, which keep different tensors for the backward pass."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.attention import HALVES


def cuda_attention(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
) -> torch.Tensor:
    """Attend by the kernel that CUDA takes: flash attention, and where it cannot, the memory-efficient one."""
    mixed: torch.Tensor
    if attn_mask is None and queries.dtype in HALVES:
        flash = torch.ops.aten._scaled_dot_product_flash_attention
        mixed = flash(queries, keys, values, dropout_p, is_causal)[0]
        return mixed
    if attn_mask is not None:
        attn_mask = _bias(attn_mask, queries, keys.shape[-2])
    with_log_sum = torch.is_grad_enabled() and any(part.requires_grad for part in (queries, keys, values))
    efficient = torch.ops.aten._scaled_dot_product_efficient_attention
    mixed = efficient(queries, keys, values, attn_mask, with_log_sum, dropout_p, is_causal)[0]
    return mixed


def cpu_attention(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
) -> torch.Tensor:
    """Attend by the kernel that a CPU takes."""
    if attn_mask is not None:
        attn_mask = _additive(attn_mask, queries.dtype)
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    mixed: torch.Tensor = flash(queries, keys, values, dropout_p, is_causal, attn_mask=attn_mask)[0]
    return mixed


def _bias(mask: torch.Tensor, queries: torch.Tensor, others: int) -> torch.Tensor:
    """Return the additive mask that torch makes: of the queries' type, its rows padded to a multiple of 16."""
    return F.pad(_additive(mask, queries.dtype), (0, -others % 16))[..., :others].expand(*queries.shape[:-1], others)


def _additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return a mask that is added to scores: one of truth values says which of them stay."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -torch.inf) if mask.dtype == torch.bool else mask

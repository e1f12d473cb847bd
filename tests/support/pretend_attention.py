"""Attention on the pretend device: computed as on a CPU, and noted with the kernels that CUDA may choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from pretend_autocast import lowered
from pretend_report import Attention, current_line
from pretend_tensor import PretendTensor, state

FLASH = 1  # number of the kernel in torch's SDPBackend


def cuda_kernels() -> tuple[str, ...]:
    """Return the kernels that torch may choose from on CUDA, as ``torch.nn.attention.sdpa_kernel`` has set them."""
    cuda = torch.backends.cuda
    allowed = {
        "flash": cuda.flash_sdp_enabled(),
        "efficient": cuda.mem_efficient_sdp_enabled(),
        "cudnn": cuda.cudnn_sdp_enabled(),
        "math": cuda.math_sdp_enabled(),
    }
    return tuple(name for name, is_allowed in allowed.items() if is_allowed)


@contextmanager
def noted_attention() -> Iterator[None]:
    """Note the calls of ``scaled_dot_product_attention`` for the time of the block."""
    original = F.scaled_dot_product_attention

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if not isinstance(query, PretendTensor):
            return original(query, key, value, *args, **kwargs)
        names = ("attn_mask", "dropout_p", "is_causal")
        return _attended(original, query, key, value, **dict(zip(names, args, strict=False)), **kwargs)

    with mock.patch.object(F, "scaled_dot_product_attention", attend):
        yield


def _attended(
    original: Callable[..., torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Attend as a CPU does, which the values' bits then equal."""
    query, key, value, attn_mask = lowered((query, key, value, attn_mask))
    _check_devices(query, key, value, attn_mask)
    state().report.attention[Attention(current_line(), query.dtype, cuda_kernels())] += 1
    mask = _additive(attn_mask, query.dtype)
    if _chosen((query, key, value), mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa) == FLASH:
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, dropout_p, is_causal, attn_mask=mask, scale=scale
        )[0]
    return torch.ops.aten._scaled_dot_product_attention_math(
        query, key, value, mask, dropout_p, is_causal, None, scale=scale, enable_gqa=enable_gqa
    )[0]


def _chosen(tensors: tuple[torch.Tensor, ...], mask: torch.Tensor | None, *args: Any, **kwargs: Any) -> int:
    """Return the number of the kernel that a CPU chooses."""
    differentiated = torch.is_grad_enabled()
    plain = [each.values.detach().requires_grad_(differentiated and each.requires_grad) for each in tensors]  # type: ignore[attr-defined]
    return torch._fused_sdp_choice(*plain, None if mask is None else mask.values, *args, **kwargs)  # type: ignore[attr-defined]


def _check_devices(*tensors: torch.Tensor | None) -> None:
    if not all(each is None or isinstance(each, PretendTensor) for each in tensors):
        raise RuntimeError(f"Expected query, key, value and mask to have the same device at {current_line()}")


def _additive(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """Return a boolean mask as the numbers to add."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, -torch.inf)

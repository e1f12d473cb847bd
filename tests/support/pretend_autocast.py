"""Autocast of CUDA for the pretend device: torch's own asks in C++ for the device of a tensor, which is not there.

The lists are those of the documentation of ``torch.amp``; the operations that have a rule are asked of torch itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch
from pretend_tensor import PretendTensor
from torch.utils._pytree import tree_flatten, tree_map_only

# Matrix products and convolutions, in the lower precision.
LOWER = frozenset(
    {
        *("linear", "matmul", "mm", "mv", "bmm", "einsum", "addmm", "addmv", "addr", "addbmm", "baddbmm"),
        *("vdot", "linalg_vecdot", "linalg_multi_dot", "chain_matmul", "prelu"),
        *("convolution", "_convolution", "conv1d", "conv2d", "conv3d", "conv_tbc"),
        *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
        *("cudnn_convolution", "cudnn_convolution_transpose"),
        *("_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"),
        *("scaled_dot_product_attention", "_scaled_dot_product_flash_attention"),
    }
)
# In the widest of the types of their inputs.
WIDEST = frozenset(
    {
        *("addcdiv", "addcmul", "atan2", "bilinear", "cross", "dot", "grid_sampler", "index_put", "scatter_add"),
        "tensordot",
    }
)
FULL = torch.float32  # of all other operations that have a rule
FORBIDDEN = "binary_cross_entropy"
KEY = "AutocastCUDA"

_casts: dict[tuple[int, torch.dtype], tuple[torch.Tensor, torch.Tensor]] = {}  # of weights, until autocast ends


def lowered(tensors: Any) -> Any:
    """Return floats of the device in autocast's type where it is on, as a product would take them."""
    if not torch.is_autocast_enabled("cuda"):
        return tensors
    return _cast(tensors, torch.get_autocast_dtype("cuda"))


@contextmanager
def autocast_rules() -> Iterator[None]:
    """Replace the rules of CUDA's autocast for the time of the block."""
    library = torch.library.Library("aten", "IMPL")
    clear = torch.clear_autocast_cache

    def clear_both() -> None:
        _casts.clear()
        clear()

    with mock.patch.object(torch, "clear_autocast_cache", clear_both):
        try:
            registered = torch._C._dispatch_get_registrations_for_dispatch_key(KEY)
            for full_name in filter(lambda name: name.startswith("aten::"), registered):  # not torchvision's
                name = full_name.removeprefix("aten::")
                library.impl(name, partial(_ruled, _operator(name), _rule(name.split(".")[0])), KEY)
            yield
        finally:
            library._destroy()
            _casts.clear()


def _operator(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


def _rule(name: str) -> Callable[[Any], Any]:
    """Return what an operation does to its arguments."""
    if name == FORBIDDEN:
        return _refuse
    if name in LOWER or name in WIDEST:
        return lowered if name in LOWER else _widened
    return lambda tensors: _cast(tensors, FULL)


def _ruled(operator: Any, rule: Callable[[Any], Any], *args: Any, **kwargs: Any) -> Any:
    args, kwargs = rule((args, kwargs))  # before the guard, within which autocast is off
    with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCUDA)):
        return operator(*args, **kwargs)


def _refuse(_: Any) -> Any:
    raise RuntimeError(f"torch.nn.functional.{FORBIDDEN} is unsafe to autocast.")


def _widened(tensors: Any) -> Any:
    types = {each.dtype for each in tree_flatten(tensors)[0] if _is_castable(each)}
    return _cast(tensors, FULL) if FULL in types else lowered(tensors)


def _cast(tensors: Any, dtype: torch.dtype) -> Any:
    return tree_map_only(torch.Tensor, lambda each: _cast_one(each, dtype) if _is_castable(each) else each, tensors)


def _cast_one(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Cast a tensor; weights are cast once, and their gradients are added up in the lower precision, as by torch."""
    if tensor.dtype == dtype:
        return tensor
    kept = dtype != FULL and tensor.requires_grad and tensor.is_leaf and tensor.dtype == FULL
    if not (kept and torch.is_autocast_cache_enabled()):
        return tensor.to(dtype)
    if (id(tensor), dtype) not in _casts:
        _casts[id(tensor), dtype] = tensor, tensor.to(dtype)
    return _casts[id(tensor), dtype][1]


def _is_castable(value: Any) -> bool:
    return isinstance(value, PretendTensor) and value.is_floating_point() and value.dtype != torch.float64

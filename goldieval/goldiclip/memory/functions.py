"""What a device's autocast does, for tensors of torch's ``meta`` device, which has none.

torch decides in C++ by a tensor's device, so a tensor without values cannot pass for one on a GPU there. Here the
decision is made where Python calls a function. The tests compare it with torch's own decision for CUDA.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

META = "meta"
_Tensor = torch.Tensor
# Functions by what CUDA's autocast does (ATen/autocast_mode.h): those that it computes in half, and in full precision.
IN_HALF: frozenset[Any] = frozenset(
    {F.linear, F.conv1d, F.conv2d, F.conv3d, F.scaled_dot_product_attention, torch.einsum, torch.conv2d}
    | {torch.matmul, torch.mm, torch.bmm, torch.mv, torch.addmm, torch.addmv, torch.addbmm, torch.baddbmm}
    | {_Tensor.matmul, _Tensor.mm, _Tensor.bmm, _Tensor.mv, _Tensor.addmm, _Tensor.__matmul__, _Tensor.__rmatmul__}
)
IN_FULL: frozenset[Any] = frozenset(
    {F.layer_norm, F.group_norm, F.normalize, F.softmax, F.log_softmax, F.softplus, F.cosine_similarity}
    | {F.cross_entropy, F.nll_loss, F.kl_div, F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.interpolate}
    | {F.binary_cross_entropy_with_logits, F.cosine_embedding_loss, F.huber_loss}
    | {torch.layer_norm, torch.softmax, torch.log_softmax, torch.cosine_similarity, torch.cdist, torch.dist}
    | {torch.exp, torch.expm1, torch.log, torch.log1p, torch.log2, torch.log10, torch.logsumexp, torch.pow}
    | {torch.reciprocal, torch.rsqrt, torch.sum, torch.prod, torch.cumsum, torch.cumprod, torch.norm}
    | {torch.linalg.vector_norm, torch.linalg.norm, torch.linalg.matrix_norm}
    | {_Tensor.softmax, _Tensor.log_softmax, _Tensor.exp, _Tensor.expm1, _Tensor.log, _Tensor.log1p, _Tensor.pow}
    | {_Tensor.__pow__, _Tensor.__rpow__, _Tensor.logsumexp, _Tensor.reciprocal, _Tensor.rsqrt, _Tensor.sum}
    | {_Tensor.prod, _Tensor.cumsum, _Tensor.cumprod, _Tensor.norm}
)
Attend = Callable[..., torch.Tensor]


class DeviceFunctions(TorchFunctionMode):
    """Casts as CUDA's autocast does, attends by the kernel that a device would take, and reads zeros from it.

    Attributes:
        attend: Attention of the device, with the arguments of ``F.scaled_dot_product_attention``.
        enabled: Whether autocast is on.
        dtype: Its half-precision type.
        reads: How often the host has read values from the device.
    """

    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.attend, self.enabled, self.dtype = attend, False, torch.bfloat16
        self.reads = 0
        self._depth = 0
        self._cast_weights: dict[int, torch.Tensor] = {}  # by id; as torch does, until the outermost autocast ends

    @contextmanager
    def autocast(self, dtype: torch.dtype | None, enabled: bool) -> Iterator[None]:
        """Be on or off, as ``torch.autocast``."""
        before = self.enabled, self.dtype
        self.enabled, self.dtype = enabled, dtype or self.dtype
        self._depth += 1
        try:
            yield
        finally:
            self.enabled, self.dtype = before
            self._depth -= 1
            if not self._depth:
                self.clear_cache()

    def clear_cache(self) -> None:
        """Forget the weights that were cast, as ``torch.clear_autocast_cache``."""
        self._cast_weights.clear()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _SPECIAL and isinstance(args[0], torch.Tensor) and args[0].is_meta:
            return _SPECIAL[func](self, *args, **kwargs)
        return func(*self._cast(func, args), **self._cast(func, kwargs))

    def _cast(self, func: Any, arguments: Any) -> Any:
        if not self.enabled or (func not in IN_HALF and func not in IN_FULL):
            return arguments
        return tree_map_only(torch.Tensor, self._to_half if func in IN_HALF else _to_full, arguments)

    def _to_half(self, tensor: torch.Tensor) -> torch.Tensor:
        if not _can_be_cast(tensor) or tensor.dtype == self.dtype:
            return tensor
        is_weight = tensor.requires_grad and tensor.is_leaf and not tensor._is_view()  # as torch decides
        if not is_weight or tensor.dtype != torch.float32:
            return tensor.to(self.dtype)
        if id(tensor) not in self._cast_weights:
            self._cast_weights[id(tensor)] = tensor.to(self.dtype)
        return self._cast_weights[id(tensor)]

    def _attention(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        func = F.scaled_dot_product_attention
        return self.attend(*self._cast(func, args), **self._cast(func, kwargs))

    def _read(self, tensor: torch.Tensor) -> Any:
        self.reads += 1
        return torch.zeros(tensor.shape, dtype=tensor.dtype).tolist()


# Methods of a tensor that are not passed on.
_SPECIAL: dict[Any, Callable[..., Any]] = {
    F.scaled_dot_product_attention: DeviceFunctions._attention,
    torch.Tensor.tolist: DeviceFunctions._read,
    torch.Tensor.item: DeviceFunctions._read,
    torch.Tensor.__float__: DeviceFunctions._read,
}


def _can_be_cast(tensor: torch.Tensor) -> bool:
    return tensor.is_meta and tensor.is_floating_point() and tensor.dtype != torch.float64


def _to_full(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if _can_be_cast(tensor) else tensor


@contextmanager
def device_functions(attend: Attend) -> Iterator[DeviceFunctions]:
    """Let tensors of the ``meta`` device be computed with as on a device, in this context.

    Args:
        attend: Attention of that device, see ``attention``.
    """
    mode = DeviceFunctions(attend)
    real_autocast, is_available = torch.autocast, torch.amp.is_autocast_available
    is_enabled, dtype_of = torch.is_autocast_enabled, torch.get_autocast_dtype
    clear_real_cache = torch.clear_autocast_cache
    run_real_backward = torch.autograd._engine_run_backward  # type: ignore[attr-defined]

    def autocast(device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: Any = None) -> Any:
        pretended = device_type == META
        return mode.autocast(dtype, enabled) if pretended else real_autocast(device_type, dtype, enabled, cache_enabled)

    def run_backward(*args: Any, **kwargs: Any) -> Any:
        with mode:  # torch has left the mode, and what is computed again in the backward pass must meet it
            return run_real_backward(*args, **kwargs)

    def clear_cache() -> None:
        mode.clear_cache()
        clear_real_cache()

    def enabled(*device_type: str) -> bool:
        return mode.enabled if device_type == (META,) else is_enabled(*device_type)

    with (
        patch.object(torch, "autocast", autocast),
        patch.object(torch.amp, "autocast", autocast),
        patch.object(torch.amp, "is_autocast_available", lambda kind: kind == META or is_available(kind)),
        patch.object(torch, "is_autocast_enabled", enabled),
        patch.object(torch, "clear_autocast_cache", clear_cache),
        patch.object(torch.autograd, "_engine_run_backward", run_backward),
        patch.object(torch, "get_autocast_dtype", lambda kind: mode.dtype if kind == META else dtype_of(kind)),
        mode,
    ):
        yield mode

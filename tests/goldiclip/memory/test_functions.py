"""Types that functions compute in: those of the pretended device against torch's own autocast for CUDA."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from goldieval.goldiclip.memory.attention import cpu_attention, cuda_attention
from goldieval.goldiclip.memory.functions import device_functions

Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
FUNCTIONS: dict[str, Function] = {
    "linear": lambda rows, weight: F.linear(rows, weight),
    "matmul": lambda rows, weight: rows @ weight,
    "einsum": lambda rows, weight: torch.einsum("ij,jk->ik", rows, weight),
    "layer_norm": lambda rows, weight: F.layer_norm(rows, (8,), weight[0]),
    "softmax": lambda rows, weight: rows.softmax(-1),
    "log_softmax": lambda rows, weight: F.log_softmax(rows, -1),
    "cross_entropy": lambda rows, weight: F.cross_entropy(rows, rows),
    "normalize": lambda rows, weight: F.normalize(rows, dim=-1),
    "cosine_similarity": lambda rows, weight: F.cosine_similarity(rows, rows),
    "exp": lambda rows, weight: rows.exp(),
    "log": lambda rows, weight: rows.log(),
    "pow": lambda rows, weight: rows**2,
    "sum": lambda rows, weight: rows.sum(),
    "cumsum": lambda rows, weight: rows.cumsum(0),
    "softplus": lambda rows, weight: F.softplus(rows),
    "logsumexp": lambda rows, weight: rows.logsumexp(-1),
    "gelu": lambda rows, weight: F.gelu(rows),
    "logsigmoid": lambda rows, weight: F.logsigmoid(rows),
    "mean": lambda rows, weight: rows.mean(),
    "add": lambda rows, weight: rows + weight,
    "mul": lambda rows, weight: rows * weight,
    "cat": lambda rows, weight: torch.cat([rows, weight]),
    "stack": lambda rows, weight: torch.stack([rows, rows]),
    "amax": lambda rows, weight: rows.amax(-1),
}


def _inputs(device: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.empty(8, 8, device=device, dtype=dtype), torch.empty(8, 8, device=device, requires_grad=True)


def _by_torch(function: Function, dtype: torch.dtype) -> torch.dtype:
    """Return the type that torch's autocast for CUDA gives, of tensors that only say that they are on a GPU."""
    torch.set_autocast_enabled("cuda", True)  # torch.autocast would switch it off without a GPU
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    try:
        with FakeTensorMode():
            return function(*_inputs("cuda", dtype)).dtype
    finally:
        torch.set_autocast_enabled("cuda", False)
        torch.clear_autocast_cache()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_types_are_those_of_autocast_for_cuda(name: str, dtype: torch.dtype) -> None:
    with device_functions(cuda_attention), torch.autocast("meta", torch.bfloat16):
        assert FUNCTIONS[name](*_inputs("meta", dtype)).dtype == _by_torch(FUNCTIONS[name], dtype)


def test_a_weight_is_cast_once_while_autocast_is_on() -> None:
    rows, weight = _inputs("meta", torch.float32)
    with device_functions(cuda_attention) as functions:
        with torch.autocast("meta", torch.bfloat16):
            F.linear(rows, weight)
            F.linear(rows, weight)
            assert len(functions._cast_weights) == 1
            with torch.autocast("meta", enabled=False):
                assert (rows @ weight).dtype == torch.float32
            torch.clear_autocast_cache()
            assert not functions._cast_weights
        assert (rows @ weight).dtype == torch.float32
    assert not torch.amp.is_autocast_available("meta")


def test_what_is_computed_again_has_the_same_types() -> None:
    rows, weight = _inputs("meta", torch.float32)
    seen = []

    def function(rows: torch.Tensor) -> torch.Tensor:
        product = F.linear(rows, weight)
        seen.append(product.dtype)
        return product * product

    with device_functions(cuda_attention):
        with torch.autocast("meta", torch.bfloat16):
            total = torch.utils.checkpoint.checkpoint(function, rows, use_reentrant=False).float().sum()
        total.backward()
    assert seen == [torch.bfloat16] * 2
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("attend", "dtype", "masked", "kernel"),
    [
        (cuda_attention, torch.bfloat16, False, "ScaledDotProductFlashAttentionBackward"),
        (cuda_attention, torch.bfloat16, True, "ScaledDotProductEfficientAttentionBackward"),
        (cuda_attention, torch.float32, False, "ScaledDotProductEfficientAttentionBackward"),
        (cpu_attention, torch.float32, True, "ScaledDotProductFlashAttentionForCpuBackward"),
    ],
)
def test_attention_keeps_what_its_kernel_keeps(
    attend: Callable[..., torch.Tensor], dtype: torch.dtype, masked: bool, kernel: str
) -> None:
    queries = torch.empty(2, 3, 5, 16, device="meta", dtype=dtype, requires_grad=True)
    mask = torch.ones(5, 5, device="meta", dtype=torch.bool) if masked else None
    with device_functions(attend):
        mixed = F.scaled_dot_product_attention(queries, queries, queries, mask)
        mixed.float().sum().backward()
    assert kernel in type(mixed.grad_fn).__name__
    assert queries.grad is not None
    assert mixed.shape == queries.grad.shape == queries.shape


def test_values_are_read_as_zeros_and_counted() -> None:
    with device_functions(cuda_attention) as functions:
        numbers = torch.ones(3, device="meta")
        assert (numbers.tolist(), numbers[0].item(), float(numbers[1])) == ([0.0] * 3, 0.0, 0.0)
    assert functions.reads == 3

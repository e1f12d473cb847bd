"""What CUDA does in an operation that a CPU does not show: waiting, copies of indices, sums without a fixed order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from pretend_report import Report, current_line

# Operations whose result the host must know before it can go on.
SYNCHRONISING = frozenset(
    {
        *("_local_scalar_dense", "nonzero", "masked_select", "equal", "bincount", "histc", "multinomial"),
        *("_unique", "_unique2", "unique_dim", "unique_consecutive", "unique_dim_consecutive"),
        *("_linalg_check_errors", "_linalg_eigh", "_linalg_svd"),
    }
)
# Kernels of CUDA that add up floats by atomic operations (torch.use_deterministic_algorithms lists them).
UNORDERED = frozenset(
    {
        *("scatter_add", "scatter_add_", "index_add", "index_add_", "cumsum", "embedding_bag_backward"),
        *("upsample_bicubic2d_backward", "upsample_bilinear2d_backward", "upsample_linear1d_backward"),
        *("_upsample_bicubic2d_aa_backward", "_upsample_bilinear2d_aa_backward", "grid_sampler_2d_backward"),
        "_scaled_dot_product_flash_attention_for_cpu_backward",
    }
)
REDUCTIONS = frozenset({"scatter_reduce", "scatter_reduce_", "index_reduce", "index_reduce_"})
INDEXING = frozenset({"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"})
MIXING_ALLOWED = frozenset({"copy_", "_to_copy", "lift_fresh", "set_", *INDEXING})


def synchronises(name: str, args: Any, kwargs: dict[str, Any]) -> bool:
    """Return whether the host waits for an operation."""
    if name == "repeat_interleave":  # of counts whose sum the caller does not give
        return kwargs.get("output_size") is None
    if name == "isin":  # few values are compared one by one, many are sorted and made unique
        return bool(args[1].numel() >= 10 * args[0].numel() ** 0.145)
    return name in SYNCHRONISING


def check_one_device(name: str, tensors: Iterable[torch.Tensor]) -> None:
    """Raise RuntimeError, as torch does, for tensors of two devices; numbers of the host are allowed."""
    devices = {each.device.type for each in tensors if each.dim() or each.is_cuda}
    if name not in MIXING_ALLOWED and len(devices) > 1:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found cuda:0 and cpu ({name}) at {current_line()}"
        )


def count_indices(report: Report, name: str, args: Any) -> None:
    """Count boolean indices, whose true entries the host must count, and indices of the host, which are copied.

    Raises:
        RuntimeError: a tensor of the host is indexed by one of the device, or gets values of the other device.
    """
    values, indices, assigned = args[0], [index for index in args[1] if index is not None], args[2:3]
    if not values.is_cuda and any(index.is_cuda for index in indices):
        raise RuntimeError(f"indices should be on the same device as the indexed tensor (cpu) at {current_line()}")
    if any(each.dim() and each.is_cuda != values.is_cuda for each in assigned):
        raise RuntimeError(f"the assigned values are on another device than the tensor at {current_line()}")
    is_fill = bool(assigned) and len(indices) == 1 and assigned[0].numel() == 1 and not any(args[3:4])
    for index in indices if values.is_cuda else []:
        if index.dtype in (torch.bool, torch.uint8) and not is_fill:
            report.count(report.synchronisations, f"boolean {name}")
        if not index.is_cuda and index.dim():
            report.count(report.uploads, f"{name} by an index of the host")


def count_numbers(report: Report, name: str, args: Any, kwargs: dict[str, Any], tensors: list[torch.Tensor]) -> None:
    """Count float64, and sums of floats whose order is not fixed."""
    types = {tensor.dtype for tensor in tensors}
    if torch.float64 in types:
        report.count(report.float64, name)
    reduction = kwargs.get("reduce", args[4] if len(args) > 4 else "")
    adds = name in UNORDERED or (name in REDUCTIONS and reduction in ("sum", "prod", "mean"))
    if adds and any(dtype.is_floating_point for dtype in types):
        report.count(report.unordered, name)

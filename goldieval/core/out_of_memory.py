"""Errors of a machine or an accelerator without memory: libraries raise many types for the same thing."""

from __future__ import annotations

import errno
import gc
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress

from goldieval.core.errors import causes

# What torch and its libraries say; RuntimeError, AcceleratorError and others carry these texts.
MESSAGES = (
    "out of memory",  # CUDA, HIP, XPU and MPS backends
    "Out of memory",  # JAX
    "Invalid buffer size",  # MPS, for one tensor that is larger than its memory
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUSPARSE_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED",
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",  # Windows
    "std::bad_alloc",
    "Cannot allocate memory",  # mmap
)
LONGEST = 4000  # characters of a message that are searched
FEWER = "a smaller --batch-size"
ON_DEVICE = f"try {FEWER}, --scoring shortlist:128 for text-conditioned scores, or --device cpu"
ON_HOST = f"try {FEWER} or fewer --workers"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the machine or a device ran out of memory, by the type of an error or by its words."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in _message(error) for words in MESSAGES)


def memory_cause(error: BaseException | None) -> BaseException | None:
    """Return what is ``is_out_of_memory`` of an error and those that caused it, the first of them; None if none is."""
    return next(filter(is_out_of_memory, causes(error)), None)


def advice(error: BaseException) -> str:
    """Return what a user can do about an error that is ``is_out_of_memory``."""
    on_host = isinstance(error, (MemoryError, OSError)) or "DefaultCPUAllocator" in _message(error)
    return ON_HOST if on_host else ON_DEVICE


def release_memory(error: BaseException) -> None:
    """Free what the failed work held: the local variables of its functions, and the unused memory of the device."""
    for each in _related(error):
        traceback.clear_frames(each.__traceback__)
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    for device in (torch.cuda, torch.mps, getattr(torch, "xpu", None)):
        if device is not None and device.is_available():
            with suppress(RuntimeError):  # a device that has failed says it again; the caller reports the first failure
                device.empty_cache()


def _related(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all errors during whose handling it was raised, each once."""
    seen: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen[id(each)] = each
        waiting += [each.__cause__, each.__context__]
        yield each


def _message(error: BaseException) -> str:
    try:
        return str(error)[:LONGEST]
    except Exception:  # ``__str__`` of a foreign exception may fail as well
        return ""

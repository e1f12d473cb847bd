"""The functions of ``torch.cuda`` for the pretend device: one GPU whose streams are never late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from pretend_tensor import CUDA, PretendTensor, State, state

NAME, CAPACITY = "Pretend GPU", 80 * 2**30


class PretendEvent:
    """An event of CUDA; waiting for it is a synchronisation."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def record(self, *_: Any) -> None:
        pass

    def wait(self, *_: Any) -> None:
        pass

    def query(self) -> bool:
        return True

    def elapsed_time(self, _: Any) -> float:
        return 0.0

    def synchronize(self) -> None:
        report = state().report
        report.count(report.synchronisations, "wait for an event")


class PretendStream:
    """A stream of CUDA."""

    device = CUDA

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def wait_event(self, _: Any) -> None:
        pass

    def wait_stream(self, _: Any) -> None:
        pass

    def record_event(self, event: PretendEvent | None = None) -> PretendEvent:
        return event or PretendEvent()

    def synchronize(self) -> None:
        _wait()


@contextmanager
def cuda_functions(device: State) -> Iterator[None]:
    """Replace the functions of ``torch.cuda``, and those of pinned memory, for the time of the block."""
    if torch.cuda.is_available():  # tensors of the true GPU must stay usable afterwards
        torch.cuda.init()
    else:
        torch._C._ensureCUDADeviceGuardSet()  # stays; else "cuda" without an index would ask the driver
    memory, here = device.report.memory, PretendStream()
    total = memory.capacity or CAPACITY

    def empty_cache() -> None:
        device.report.cache_emptied += 1

    def reset_peak(*_: Any) -> None:
        memory.peak = memory.allocated

    def pinned(tensor: torch.Tensor, *_: Any) -> torch.Tensor:
        if isinstance(tensor, PretendTensor):
            raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned")
        return tensor if device.is_pinned(tensor) else device.pin(tensor.clone())

    properties = SimpleNamespace(name=NAME, total_memory=total, major=9, minor=0, multi_processor_count=132)
    functions = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda _: None,
        "get_device_name": lambda *_: NAME,
        "get_device_properties": lambda *_: properties,
        "get_device_capability": lambda *_: (9, 0),
        "is_bf16_supported": lambda *_, **__: True,
        "synchronize": lambda *_: _wait(),
        "empty_cache": empty_cache,
        "mem_get_info": lambda *_: (total - memory.allocated, total),
        "memory_allocated": lambda *_: memory.allocated,
        "max_memory_allocated": lambda *_: memory.peak,
        "reset_peak_memory_stats": reset_peak,
        "manual_seed": lambda _: None,
        "manual_seed_all": lambda _: None,
        "get_rng_state": lambda *_: torch.zeros(16, dtype=torch.uint8),
        "set_rng_state": lambda *_: None,
        "get_rng_state_all": lambda: [torch.zeros(16, dtype=torch.uint8)],
        "set_rng_state_all": lambda _: None,
        "Event": PretendEvent,
        "Stream": PretendStream,
        "stream": lambda _: nullcontext(),
        "device": lambda _: nullcontext(),
        "current_stream": lambda *_: here,
        "default_stream": lambda *_: here,
    }
    with ExitStack() as stack:
        stack.enter_context(mock.patch.multiple(torch.cuda, **functions))
        stack.enter_context(mock.patch.object(torch.Tensor, "pin_memory", pinned))
        stack.enter_context(mock.patch.object(torch.Tensor, "is_pinned", lambda tensor, *_: device.is_pinned(tensor)))
        yield


def _wait() -> None:
    report = state().report
    report.count(report.synchronisations, "synchronize")

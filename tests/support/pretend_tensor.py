"""Tensors of the pretend device: they say ``cuda``, while their values lie on the CPU. See ``pretend_device``.

A ``PretendTensor`` is a tensor of torch's ``meta`` device with the dispatch keys of CUDA, so that autograd and autocast
treat it as one of CUDA, and with the values beside it. Every operation arrives in ``compute``, which counts it and
computes it with the values. (A tensor whose device were CUDA in C++ as well could not be differentiated without a GPU.)
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from pretend_report import Report, current_line
from pretend_rules import INDEXING, check_one_device, count_indices, count_numbers, synchronises
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")


@dataclass
class State:
    """The device that is in use.

    Attributes:
        report: what happened on it.
        pinned: pinned storages of the host by address.
    """

    report: Report
    pinned: dict[int, torch.UntypedStorage] = field(default_factory=dict)

    def pin(self, values: torch.Tensor) -> torch.Tensor:
        """Note that a tensor of the host is pinned."""
        storage = values.untyped_storage()
        self.pinned[storage.data_ptr()] = storage
        return values

    def is_pinned(self, values: torch.Tensor) -> bool:
        return values.untyped_storage().data_ptr() in self.pinned


_active: list[State] = []


def state() -> State:
    """Return the device that is in use. Raises RuntimeError if there is none."""
    if not _active:
        raise RuntimeError("a tensor of the pretend device is used after the device was closed.")
    return _active[-1]


class PretendTensor(torch.Tensor):
    """A tensor of the pretend device.

    Attributes:
        values: its values, a tensor of the CPU.
    """

    values: torch.Tensor  # type: ignore[assignment]
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, values: torch.Tensor) -> PretendTensor:
        with torch.inference_mode(False):  # else in-place operations would fail where they are allowed
            shell = torch.empty_strided(values.shape, values.stride(), dtype=values.dtype, device="meta")
            made: PretendTensor = torch.Tensor._make_subclass(cls, shell, False, device_for_backend_keys=CUDA)
        made.values, made._held = values, state().report.memory.hold(values.untyped_storage())  # type: ignore[attr-defined]
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    is_cuda = property(lambda self: True)  # type: ignore[assignment]
    is_cpu = is_meta = property(lambda self: False)  # type: ignore[assignment]

    def get_device(self) -> int:
        return 0

    def is_pinned(self, *_: Any) -> bool:
        return False

    def to(self, *args: Any, **kwargs: Any) -> torch.Tensor:  # type: ignore[override]
        """Return the same tensor where nothing changes, as for a tensor of CUDA."""
        if args and isinstance(args[0], torch.Tensor):
            args, kwargs = args[1:], {"device": args[0].device, "dtype": args[0].dtype, **kwargs}
        copy = kwargs.pop("copy", False)
        device, dtype, queued, layout = torch._C._nn._parse_to(*args, **kwargs)
        same = (device is None or device.type == "cuda") and dtype in (None, self.dtype) and layout is None
        if same and not copy:
            return self
        return super().to(device or CUDA, dtype or self.dtype, queued, copy, memory_format=layout)

    def cuda(self, *_: Any, **__: Any) -> torch.Tensor:  # type: ignore[override]
        return self

    def record_stream(self, _: Any) -> None:  # type: ignore[override]
        pass

    def new_tensor(self, data: Any, **kwargs: Any) -> torch.Tensor:  # type: ignore[override]
        """Copy data from the host; torch would make it of the device that it sees in C++, without values."""
        return torch.tensor(data, **{"dtype": self.dtype, "device": CUDA, **kwargs})

    def __getitem__(self, index: Any) -> torch.Tensor:  # type: ignore[override]
        return super().__getitem__(_of_tensors(index))

    def __setitem__(self, index: Any, values: Any) -> None:  # type: ignore[override]
        super().__setitem__(_of_tensors(index), values)

    def tolist(self) -> Any:
        state().report.count(state().report.synchronisations, "tolist")
        return self.values.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def __array__(self, *_: Any) -> Any:
        return self.numpy()

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"pretend {self.values!r}"

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Save the values, for which the host waits; they are loaded as a tensor of the CPU."""
        state().report.count(state().report.synchronisations, "save")
        return self.values.__reduce_ex__(protocol)


class OnDevice(TorchDispatchMode):
    """Sends what creates tensors on the device, or copies to it, to ``compute``."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        here = any(isinstance(value, PretendTensor) for value in tree_flatten((args, kwargs))[0])
        if here or _is_device(kwargs.get("device")):
            return compute(func, args, kwargs)
        if kwargs.get("pin_memory"):
            return state().pin(func(*args, **{**kwargs, "pin_memory": False}))
        return func(*args, **kwargs)


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute an operation with the values of its tensors, and count what CUDA would have to wait for."""
    if _is_composite(func):  # within inference_mode, torch leaves it to us to take it apart
        with OnDevice():
            return func.decompose(*args, **kwargs)
    name, report = func.overloadpacket.__name__, state().report
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
    pretend = [tensor for tensor in tensors if isinstance(tensor, PretendTensor)]
    if name == "_to_copy":
        return _copied(func, args, kwargs)
    if name == "copy_":
        _count_copy(args[0], args[1], bool(args[2]) if len(args) > 2 else kwargs.get("non_blocking", False))
    check_one_device(name, tensors)
    if name in INDEXING:
        count_indices(report, name, args)
    if synchronises(name, args, kwargs):
        report.count(report.synchronisations, name)
    to_device = bool(pretend) if kwargs.get("device") is None else _is_device(kwargs["device"])
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": CPU, **({"pin_memory": False} if "pin_memory" in kwargs else {})}
    found = func(*_values(args), **_values(kwargs))
    count_numbers(report, name, args, kwargs, [*pretend, *_tensors(found)])
    return _wrapped(found, pretend) if to_device or pretend else found


@cache
def _is_composite(func: Any) -> bool:
    """Return whether an operation is made of others, such as ``to`` and ``matmul``."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")


def _copied(func: Any, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    """Copy to another device or type."""
    source, asked = args[0], kwargs.get("device")
    target = _is_device(asked) if asked is not None else isinstance(source, PretendTensor)
    queued = kwargs.get("non_blocking", False)
    rest = {name: value for name, value in kwargs.items() if name not in ("device", "non_blocking", "pin_memory")}
    made: torch.Tensor = func(*_values(args), **rest)
    report = state().report
    if isinstance(source, PretendTensor):
        if not target:
            report.count(report.queued_downloads if queued else report.synchronisations, "to the host")
    elif target:
        is_queued = queued and state().is_pinned(source)
        report.count(report.queued_uploads if is_queued else report.uploads, "to the device")
    if torch.float64 in (source.dtype, made.dtype) and (target or isinstance(source, PretendTensor)):
        report.count(report.float64, "_to_copy")
    return PretendTensor(made) if target else made


def _count_copy(target: torch.Tensor, source: torch.Tensor, queued: bool) -> None:
    report, to_device = state().report, isinstance(target, PretendTensor)
    if to_device == isinstance(source, PretendTensor):
        return
    host = source if to_device else target
    is_queued = queued and state().is_pinned(host)
    if to_device:
        report.count(report.queued_uploads if is_queued else report.uploads, "copy_")
    else:
        report.count(report.queued_downloads if is_queued else report.synchronisations, "copy_")


def _of_tensors(index: Any) -> Any:
    """Return an index with tensors of the host in place of lists and arrays; see ``PretendTensor.new_tensor``."""
    if isinstance(index, tuple):
        return tuple(_of_tensors(part) for part in index)
    return torch.as_tensor(index) if isinstance(index, (list, np.ndarray)) else index


def _is_device(asked: Any) -> bool:
    """Return whether a device is this one. Operations in C++ take it for ``meta``, see above."""
    return asked is not None and torch.device(asked).type in ("cuda", "meta")


def _tensors(found: Any) -> list[torch.Tensor]:
    return [value for value in tree_flatten(found)[0] if isinstance(value, torch.Tensor)]


def _values(given: Any) -> Any:
    return tree_map_only(PretendTensor, lambda tensor: tensor.values, given)


def _wrapped(found: Any, pretend: Iterable[PretendTensor]) -> Any:
    """Return results as tensors of the device: those that were written in place as the tensors that hold them."""
    owners = {id(tensor.values): tensor for tensor in pretend}

    def wrap(values: torch.Tensor) -> torch.Tensor:
        owner = owners.get(id(values))
        if owner is None:
            return PretendTensor(values)
        if owner.shape != values.shape or owner.stride() != values.stride():
            raise NotImplementedError(
                f"the pretend device cannot change a tensor's shape in place, at {current_line()}"
            )
        return owner

    return tree_map_only(torch.Tensor, wrap, found)


def activate(device: State) -> None:
    """Use a device. Raises RuntimeError if one is in use."""
    if _active:
        raise RuntimeError("the pretend device is in use already.")
    _active.append(device)


def deactivate() -> None:
    with suppress(IndexError):
        _active.pop()

"""Storages of tensors from allocation to release: how many bytes live at the peak, and what they belong to."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ALIGNMENT = 512  # bytes; CUDA's allocator rounds up to a multiple of it


class StorageTracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows every storage on a device.

    Attributes:
        device: Type of the device.
        name_of: Says what a new storage belongs to.
        live: Bytes that live now, by what they belong to.
        at_peak: The same when most lived.
        peak: Their sum.
    """

    def __init__(self, device: str, name_of: Callable[[], str], alignment: int = ALIGNMENT) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device, self.name_of, self.alignment = device, name_of, alignment
        self.live: Counter[str] = Counter()
        self.at_peak: Counter[str] = Counter()
        self.total = self.peak = 0
        self._known: dict[int, tuple[weakref.ref[Any], str, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        # The engine adds gradients up in place, except under a mode such as this one: the sum takes the place of what
        # it is added to, which is gone before anything else is allocated.
        in_place = func is torch.ops.aten.add.Tensor and not torch.is_grad_enabled()
        for found in tree_leaves(out):
            if isinstance(found, torch.Tensor) and found.device.type == self.device:
                self._see(found.untyped_storage(), in_place)
        return out

    def rename(self, tensor: torch.Tensor, name: str) -> None:
        """Let the storage of a tensor belong to something else."""
        key = tensor.untyped_storage()._cdata
        reference, before, size = self._known[key]
        self._known[key] = reference, name, size
        self.live[before] -= size
        self.live[name] += size

    def _see(self, storage: torch.UntypedStorage, in_place: bool) -> None:
        key = storage._cdata
        if key in self._known:
            return
        size = -(-storage.nbytes() // self.alignment) * self.alignment
        name = self.name_of()
        self._known[key] = weakref.ref(storage, lambda _: self._forget(key)), name, size
        self.live[name] += size
        self.total += size
        if self.total > self.peak and not in_place:
            self.peak, self.at_peak = self.total, Counter(self.live)

    def _forget(self, key: int) -> None:
        _, name, size = self._known.pop(key)
        self.live[name] -= size
        self.total -= size

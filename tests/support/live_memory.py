"""The bytes that tensors hold at a time, also of tensors without values (device ``meta``)."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveMemory(TorchDispatchMode):
    """Counts what operations within it allocate, until it is freed.

    Attributes:
        live: Bytes that are held now.
        peak: Most bytes that were held at a time.
        elements: Elements of the largest tensor, whether it is a view or not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = self.elements = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {id(tensor.untyped_storage()) for tensor in tree_leaves((args, kwargs)) if _is_tensor(tensor)}
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if _is_tensor(tensor):
                self.elements = max(self.elements, tensor.numel())
                self._count(tensor.untyped_storage(), before)
        self.peak = max(self.peak, self.live)
        return made

    def _count(self, storage: torch.UntypedStorage, before: set[int]) -> None:
        key = id(storage)
        if key in self._known or key in before:
            return
        size = storage.nbytes()
        self.live += size

        def freed(_: Any) -> None:
            self.live -= size
            self._known.pop(key, None)

        self._known[key] = weakref.ref(storage, freed)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)

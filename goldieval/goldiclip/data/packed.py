"""A batch whose tensors lie in one block of memory: it leaves a worker, is pinned and moves to a GPU in one piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.data import get_worker_info

from goldieval.goldiclip.data.batch import Batch

ALIGNMENT = 64  # bytes; a tensor of any type may begin there


@dataclass(frozen=True)
class PackedBatch(Batch):
    """A batch whose tensors are views of one block.

    Attributes:
        block: All that belongs on the device, shape (bytes,), uint8.
    """

    block: torch.Tensor = field(kw_only=True, compare=False, repr=False)

    def to(self, device: torch.device) -> Batch:
        return unpacked(self.block.to(device, non_blocking=True), self)

    def pin_memory(self) -> Batch:
        return unpacked(self.block.pin_memory(), self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the block and the shapes of the tensors, so that one piece of shared memory is handed over."""
        return unpacked, (self.block, self.mapped(lambda tensor: tensor.to("meta")))


def packed(batch: Batch) -> PackedBatch:
    """Copy the tensors of a batch into one block; in a worker, of memory that is shared with the training process."""
    tensors: list[torch.Tensor] = []
    batch.mapped(lambda tensor: tensors.append(tensor) or tensor)  # type: ignore[func-returns-value]
    block = _empty(sum(map(_room, tensors)))
    result = unpacked(block, batch)
    copies = iter(tensors)
    result.mapped(lambda view: view.copy_(next(copies)))
    return result


def unpacked(block: torch.Tensor, like: Batch) -> PackedBatch:
    """Return the batch in a block.

    Args:
        block: What ``packed`` made, on any device.
        like: A batch with tensors of the same types and shapes, and with what stays on the host.
    """
    places = _places(like)

    def view(tensor: torch.Tensor) -> torch.Tensor:
        start = next(places)
        return block[start : start + tensor.nbytes].view(tensor.dtype).view(tensor.shape)

    return PackedBatch(**{**vars(like.mapped(view)), "block": block})


def _places(batch: Batch) -> Iterator[int]:
    """Yield where each tensor of a batch begins in its block."""
    tensors: list[torch.Tensor] = []
    batch.mapped(lambda tensor: tensors.append(tensor) or tensor)  # type: ignore[func-returns-value]
    start = 0
    for tensor in tensors:
        yield start
        start += _room(tensor)


def _room(tensor: torch.Tensor) -> int:
    return -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT


def _empty(size: int) -> torch.Tensor:
    if get_worker_info() is None:
        return torch.empty(size, dtype=torch.uint8)
    shared: Any = torch.UntypedStorage._new_shared(size, device="cpu")  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=torch.uint8).set_(shared)

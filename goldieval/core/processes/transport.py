"""Values between ranks through a gloo group of torch.distributed, whatever backend a training uses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import torch.distributed as dist

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

T = TypeVar("T")


class Gloo:
    """A ``core.group.Group`` that hangs where a rank does not come.

    Attributes:
        rank: number of this process.
        size: number of processes.
    """

    def __init__(self, timeout_s: float) -> None:
        """Make a group of all ranks; every rank must.

        Args:
            timeout_s: time in seconds after which values that were not received are an error.
        """
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        timeout = timedelta(seconds=timeout_s)
        self._group = cast("ProcessGroup", dist.new_group(backend="gloo", timeout=timeout))

    def gather(self, value: T) -> list[T] | None:
        values = cast(list[T], [None] * self.size) if self.rank == 0 else None
        dist.gather_object(value, values, dst=0, group=self._group)
        return values

    def all_gather(self, value: T) -> list[T]:
        values = cast(list[T], [None] * self.size)
        dist.all_gather_object(values, value, group=self._group)
        return values

    def broadcast(self, value: T) -> T:
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self._group)
        return values[0]

    def close(self) -> None:
        """Free the group's connections."""
        dist.destroy_process_group(self._group)

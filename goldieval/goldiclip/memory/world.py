"""One process of several that are not there: what it would send is counted, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch.utils._pytree import tree_leaves

BACKEND = "pretended"


@contextmanager
def pretended_world(processes: int) -> Iterator[None]:
    """Be the first of several processes, in this context, for tensors of torch's ``meta`` device.

    Args:
        processes: Number of processes; 1 leaves everything as it is.
    """
    if processes == 1:
        yield
        return
    import torch.distributed._tools.fake_collectives  # noqa: F401  teaches the meta device what processes exchange
    from torch.testing._internal.distributed import fake_pg

    if not hasattr(dist.Backend, BACKEND.upper()):
        create = fake_pg._create_fake_pg
        dist.Backend.register_backend(BACKEND, create, extended_api=True, devices=["cpu", "meta"])
    dist.init_process_group(BACKEND, rank=0, world_size=processes, store=fake_pg.FakeStore())
    try:
        yield
    finally:
        dist.destroy_process_group()


def sent_bytes(func: Any, args: tuple[Any, ...], processes: int) -> int:
    """Return the bytes that each process sends in a collective operation, by the ring algorithms of NCCL.

    Args:
        func: Any operation of torch; 0 unless it is a collective one.
        args: Its arguments.
        processes: Number of processes.
    """
    if func.namespace != "c10d" or processes == 1:
        return 0
    kind = func.overloadpacket.__name__
    if kind not in _SENT:
        raise NotImplementedError(f"c10d.{kind}: bytes on the wire are not known")
    place, times = _SENT[kind]
    size = sum(part.nbytes for part in tree_leaves(args[place]) if isinstance(part, torch.Tensor))
    return round(size * times(processes))


def all_reduce_share(processes: int) -> float:
    """Return how often each process sends a tensor that is reduced over all: once for its sum, once for the result."""
    return 2 * (processes - 1) / processes


def _all_but_own(processes: int) -> float:
    return (processes - 1) / processes


# Which argument of each operation counts, and how often its bytes are sent.
_SENT = {
    "allreduce_": (0, all_reduce_share),
    "broadcast_": (0, _all_but_own),
    "allgather_": (0, _all_but_own),  # its output, that is all processes' rows
    "_allgather_base_": (0, _all_but_own),
    "reduce_scatter_": (1, _all_but_own),
    "_reduce_scatter_base_": (1, _all_but_own),
    "alltoall_": (1, _all_but_own),
    "alltoall_base_": (1, _all_but_own),
    "barrier": (0, lambda processes: 0.0),
}

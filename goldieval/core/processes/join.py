"""Join the processes of an evaluation: those of a launcher, or of a training that is under way."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldieval.core.environment import available_cores, versions
from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.processes.failures import is_known_to_all
from goldieval.core.processes.group import OneProcess, Processes, Ranks
from goldieval.core.processes.launch import ALONE, launch_of, local_place
from goldieval.core.processes.liveness import stall_limit
from goldieval.core.processes.meeting import meet, this_member

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

    from goldieval.core.processes.transport import Gloo

POLL_S = 0.05
_joined = 0  # number of groups that this process has joined, part of the names in the store


@dataclass(frozen=True)
class Place:
    """The place of this process on its machine.

    Attributes:
        rank: its number among the processes of this machine.
        size: number of processes of this machine.
        cores: processor cores for this process.
    """

    rank: int = 0
    size: int = 1
    cores: int = 0


@contextmanager
def joined(distributed: bool = True) -> Iterator[tuple[Ranks, Place]]:
    """Join the other processes for the time of an evaluation.

    Args:
        distributed: whether to share the work; if not, this process is alone whatever started it.

    Yields:
        The ranks, and the place of this process on its machine.

    Raises:
        GoldievalError: the other processes are not there, or have other versions.
    """
    launch = None if not distributed or _is_under_way() else launch_of()
    if not distributed or (launch is None and not _is_under_way()):
        yield OneProcess(), Place(cores=available_cores())
        return
    import torch.distributed as dist

    if launch is not None:
        meet(launch)
    elif dist.get_world_size() == 1:
        yield OneProcess(), Place(cores=available_cores())
        return
    group, transport = None, None
    try:
        group, place, transport = _group()
        with group.told(), _cores_of(place) if launch is not None else nullcontext():
            group.check_same("versions", versions())
            yield group, place
    except BaseException as error:
        if group is not None:
            group.leave("" if is_known_to_all(error) else first_line(error))
        raise
    else:
        group.leave()
    finally:
        with suppress(Exception):
            if launch is not None:
                dist.destroy_process_group()
            elif transport is not None:  # the process group belongs to the training
                transport.close()


@contextmanager
def _cores_of(place: Place) -> Iterator[None]:
    """Compute with this process's share of the cores; without it, each process of a machine would use all of them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(place.cores)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_under_way() -> bool:
    """Return whether a training in this process has a process group."""
    dist = sys.modules.get("torch.distributed")
    return dist is not None and dist.is_available() and dist.is_initialized()


def _group() -> tuple[Processes, Place, Gloo]:
    """Return the group of all ranks of the process group, once all have come, and what carries its values."""
    global _joined
    import torch.distributed as dist
    from torch._C._distributed_c10d import PrefixStore
    from torch.distributed.distributed_c10d import _get_default_store

    from goldieval.core.processes.transport import Gloo

    _joined += 1
    rank, size = dist.get_rank(), dist.get_world_size()
    store: Store = PrefixStore(f"goldieval/evaluation/{_joined}", _get_default_store())
    _wait_for_all(store, rank, size)
    transport = Gloo(stall_limit())
    here = this_member(rank)
    everyone = transport.all_gather((here, _cores()))
    group = Processes(store, transport, [member for member, _ in everyone], rank)
    place = _place([(member.machine, cores) for member, cores in everyone], rank, local_place())
    return group, place, transport


def _wait_for_all(store: Store, rank: int, size: int) -> None:
    """Wait until every rank has called ``evaluate``.

    Raises:
        GoldievalError: some did not; they are named.
    """
    store.set(f"here/{rank}", "here")
    end = time.monotonic() + stall_limit()
    while absent := [str(each) for each in range(size) if not store.check([f"here/{each}"])]:
        if time.monotonic() > end:
            raise GoldievalError(
                f"rank {rank} waited {stall_limit():,.0f} s for rank {', '.join(absent)} of {size} to start the "
                f"evaluation: every rank must call it. {ALONE}"
            )
        time.sleep(POLL_S)


def _place(ranks: list[tuple[str, set[int]]], rank: int, given: tuple[int, int] | None) -> Place:
    """Return the place of a rank on its machine.

    Args:
        ranks: machine and processor cores of each rank.
        rank: the rank.
        given: number and count of local ranks as the launcher gives them; 0 for a count that it does not give.
    """
    machine, cores = ranks[rank]
    here = [other for other, (name, _) in enumerate(ranks) if name == machine]
    number, size = given or (here.index(rank), 0)
    sharing = sum(1 for other in here if ranks[other][1] & cores)  # a launcher may give each rank cores of its own
    return Place(number, size or len(here), max(1, len(cores) // max(1, sharing)))


def _cores() -> set[int]:
    return set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))

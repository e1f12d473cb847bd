"""Join the processes of an evaluation: those of a launcher, or of a training that is under way."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from goldieval.core.environment import available_cores, versions
from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.processes.background import result_of, started
from goldieval.core.processes.failures import is_known_to_all
from goldieval.core.processes.group import OneProcess, Processes, Ranks
from goldieval.core.processes.launch import ALONE, Launch, launch_of, local_place
from goldieval.core.processes.liveness import Member, stall_limit

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

    from goldieval.core.processes.transport import Gloo

LONGEST_MEETING_S = 600.0  # a large job may take minutes until all of its processes have started
SHORTEST_MEETING_S = 60.0  # however short the limit of a stalled rank is: imports take time
SILENT_S = 20.0  # after which rank 0 says that it waits
POLL_S = 0.05
LOG = logging.getLogger("goldieval")
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


def meet(launch: Launch, backend: str = "gloo", longest_exchange_s: float | None = None) -> Store:
    """Make the process group of a launcher's processes.

    Args:
        launch: how this process was started.
        backend: backend of the group.
        longest_exchange_s: time in seconds after which an exchange fails; by default that of the meeting.

    Returns:
        The store of the group.

    Raises:
        GoldievalError: the others have not come in time.
    """
    limit_s = min(LONGEST_MEETING_S, max(SHORTEST_MEETING_S, stall_limit()))
    begun, is_silent = time.monotonic(), launch.rank == 0  # one line, not one of each rank

    def say_who_waits() -> None:
        nonlocal is_silent
        if is_silent and time.monotonic() - begun > SILENT_S:
            is_silent = False
            LOG.warning(
                f"waiting for the other {launch.size - 1} of {launch.size} processes ({launch.by}) at "
                f"{launch.address}:{launch.port}. {launch.alone}".rstrip()
            )

    def make() -> Store:
        return _made_process_group(launch, backend, timedelta(seconds=limit_s), longest_exchange_s)

    try:
        return result_of(started(make), POLL_S, say_who_waits)
    except Exception as error:
        raise GoldievalError(
            f"rank {launch.rank} of {launch.size} ({launch.by}) did not meet the others at {launch.address}:"
            f"{launch.port} within {limit_s:.0f} s: {first_line(error)}. {launch.alone}".rstrip()
        ) from error


def _made_process_group(launch: Launch, backend: str, limit: timedelta, longest_exchange_s: float | None) -> Store:
    """Make the process group, and return its store; this waits in compiled code for all processes."""
    import torch.distributed as dist
    from torch._C._distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    address = f"[{launch.address}]" if ":" in launch.address else launch.address
    meeting = rendezvous(f"tcp://{address}:{launch.port}", launch.rank, launch.size, timeout=limit)
    store, rank, size = next(meeting)
    # A prefix of our own: the variables of a training are inherited by what it starts, and so is its store.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # torchrun keeps its store when it starts ranks again
    own = PrefixStore(f"goldieval/{launch.by}/{attempt}", store)
    exchange = timedelta(seconds=longest_exchange_s) if longest_exchange_s is not None else limit
    dist.init_process_group(backend, store=own, rank=rank, world_size=size, timeout=exchange)
    return own


def everyone_of(store: Store, rank: int, size: int) -> list[Member]:
    """Return all ranks of a group, by number, once all have come.

    Args:
        store: store of the group.
        rank: number of this process.
        size: number of processes.
    """
    here = Member(rank, socket.gethostname(), _machine(), os.getpid())
    store.set(f"member/{rank}", json.dumps(asdict(here)))
    return [Member(**json.loads(store.get(f"member/{other}"))) for other in range(size)]


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
    here = Member(rank, socket.gethostname(), _machine(), os.getpid())
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


def _machine() -> str:
    """Return an identity of the running machine and its process ids, which differ between containers."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
            parts = [boot.read().strip()]
        parts.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(parts)

"""The meeting of the processes that a launcher started: their process group, and who they are."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.processes.background import result_of, started
from goldieval.core.processes.launch import Launch
from goldieval.core.processes.liveness import Member, stall_limit

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

LONGEST_MEETING_S = 600.0  # a large job may take minutes until all of its processes have started
SHORTEST_MEETING_S = 60.0  # however short the limit of a stalled rank is: imports take time
SILENT_S = 20.0  # after which rank 0 says that it waits
LOOK_S = 0.05
LOG = logging.getLogger("goldieval")


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
        return result_of(started(make), LOOK_S, say_who_waits)
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
    here = this_member(rank)
    store.set(f"member/{rank}", json.dumps(asdict(here)))
    return [Member(**json.loads(store.get(f"member/{other}"))) for other in range(size)]


def this_member(rank: int) -> Member:
    """Return this process as a rank."""
    return Member(rank, socket.gethostname(), _machine(), os.getpid())


def _machine() -> str:
    """Return an identity of the running machine and its process ids, which differ between containers."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
            parts = [boot.read().strip()]
        parts.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(parts)

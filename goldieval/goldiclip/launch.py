"""This process among those that torchrun, accelerate, srun or mpirun started, from their meeting to their end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from goldieval.core.processes.launch import Launch, launch_of, local_place
from goldieval.core.processes.liveness import SILENCE_S, Member, stall_limit
from goldieval.core.processes.meeting import everyone_of, meet
from goldieval.core.processes.supervision import Supervision

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

MARGIN_S = 60.0  # after the limit of a stalled rank, which is named then; a collective operation only times out
_supervision: Supervision | None = None


def on_cpu() -> bool:
    """Return whether to train on the CPU; accelerate must be told, or processes there do not find each other."""
    return not torch.accelerator.is_available() or parse_flag_from_env("ACCELERATE_USE_CPU")


def is_main_process() -> bool:
    """Return whether this process is the one that writes files and prints."""
    return bool(PartialState(cpu=on_cpu()).is_main_process)


def supervision() -> Supervision | None:
    """Return what watches the ranks of this training; None for a single process, and outside of ``joined``."""
    return _supervision


def progressed() -> None:
    """Count some work of this process as done, for which the others may wait."""
    if _supervision is not None:
        _supervision.progressed()


def longest_exchange() -> timedelta:
    """Return the time after which an exchange between ranks fails by itself."""
    return timedelta(seconds=stall_limit() + MARGIN_S)


@contextmanager
def joined(end: Callable[[BaseException], None]) -> Iterator[None]:
    """Meet the other processes of the launcher, and train, fail and end with them.

    Args:
        end: Ends this process with a message for an error. It is called where a regular end may never come: compiled
            code may wait for ranks that are gone. For a single process it is not.

    Raises:
        GoldievalError: The others have not come; or the error of this process or of another.
    """
    global _supervision
    launch = launch_of(alone="")
    if launch is None:
        yield
        shut_down()
        return
    backend = "gloo" if on_cpu() else "nccl"
    store = meet(launch, backend, longest_exchange().total_seconds())
    _supervision = _supervised(launch, store, end)
    try:
        with _supervision.told():
            PartialState(cpu=on_cpu())
            yield
            _supervision.waited(torch.distributed.barrier)
    except BaseException as error:
        _supervision.leave()
        end(error)
        raise
    _supervision.leave()
    _supervision = None
    shut_down()


def _supervised(launch: Launch, store: Store, end: Callable[[BaseException], None]) -> Supervision:
    own = store.clone()  # other threads block the connection of the process group
    own.set_timeout(timedelta(seconds=min(SILENCE_S, stall_limit())))
    members = everyone_of(own, launch.rank, launch.size)
    _tell_accelerate(launch, members)
    return Supervision(own, members, launch.rank, end)


def _tell_accelerate(launch: Launch, members: list[Member]) -> None:
    """Set torchrun's variables, which accelerate reads, as srun and mpirun have others."""
    here = [member.rank for member in members if member.machine == members[launch.rank].machine]
    local_rank, local_size = local_place() or (here.index(launch.rank), 0)
    os.environ.update(
        RANK=str(launch.rank),
        WORLD_SIZE=str(launch.size),
        LOCAL_RANK=str(local_rank),
        LOCAL_WORLD_SIZE=str(local_size or len(here)),
        MASTER_ADDR=launch.address,
        MASTER_PORT=str(launch.port),
    )


def shut_down() -> None:
    """Destroy the process group, if there is one, at a regular end.

    Otherwise a thread of gloo may still hold tensors while Python shuts down, which aborts a process that has done all
    its work (pytorch/pytorch#179291).
    """
    PartialState(cpu=on_cpu()).destroy_process_group()

"""How this process was started: alone, or as one rank of several by torchrun, accelerate, srun or mpirun."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from goldieval.core.errors import GoldievalError

ALONE = "To evaluate in this process alone, use --no-distributed (in Python: distributed=False)."


@dataclass(frozen=True)
class Launch:
    """One of several processes, as its launcher describes it.

    Attributes:
        by: the launcher.
        rank: number of this process, from 0.
        size: number of processes.
        address: host of rank 0.
        port: port on that host where the processes meet.
        alone: how to work in this process alone, for messages.
    """

    by: str
    rank: int
    size: int
    address: str
    port: int
    alone: str = ALONE


class _Variables(NamedTuple):
    """Names of the environment variables of a launcher.

    Attributes:
        by: the launcher.
        rank: number of the process.
        size: number of processes. Slurm's is that of the job step: a batch script, or a shell in an allocation, has
            SLURM_NTASKS although it is one process.
        local_rank: number of the process on its machine.
        local_size: number of processes on its machine.
    """

    by: str
    rank: str
    size: str
    local_rank: str
    local_size: str


TORCHRUN = _Variables("torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
SLURM = _Variables("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "")
MPI = _Variables(
    "mpirun",
    "OMPI_COMM_WORLD_RANK",
    "OMPI_COMM_WORLD_SIZE",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "OMPI_COMM_WORLD_LOCAL_SIZE",
)
LAUNCHERS = (TORCHRUN, MPI, SLURM)  # torchrun may itself be started by srun, once per machine


def launch_of(environment: Mapping[str, str] = os.environ, alone: str = ALONE) -> Launch | None:
    """Return how this process was started; None if it is the only one.

    Args:
        environment: the environment variables.
        alone: how to work in this process alone, for messages.

    Raises:
        GoldievalError: the launcher's variables are incomplete or not numbers.
    """
    variables = _launcher(environment)
    if variables is None:
        return None
    rank, size = (_number(environment, name, alone) for name in (variables.rank, variables.size))
    if size < 2:
        return None
    if not 0 <= rank < size:
        raise GoldievalError(
            f"{variables.rank}={rank} is not a rank of {variables.size}={size} processes. {alone}".rstrip()
        )
    address, port = _meeting_point(variables, environment, alone)
    return Launch(variables.by, rank, size, address, port, alone)


def local_place(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Return number and count of the processes of this machine as the launcher gives them; None if it does not."""
    variables = _launcher(environment)
    if variables is None or not environment.get(variables.local_rank, "").isdecimal():
        return None
    count = environment.get(variables.local_size, "")
    return int(environment[variables.local_rank]), int(count) if count.isdecimal() else 0


def _launcher(environment: Mapping[str, str]) -> _Variables | None:
    found = (each for each in LAUNCHERS if each.rank in environment and each.size in environment)
    return next(found, None)


def _number(environment: Mapping[str, str], name: str, alone: str) -> int:
    if not environment[name].strip().isdecimal():
        raise GoldievalError(f"${name} should be a number of processes, but is {environment[name]!r}. {alone}".rstrip())
    return int(environment[name])


def _meeting_point(variables: _Variables, environment: Mapping[str, str], alone: str) -> tuple[str, int]:
    """Return host and port where the processes meet."""
    address, port = environment.get("MASTER_ADDR", ""), environment.get("MASTER_PORT", "")
    if variables is SLURM:
        address = address or first_host(environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_NODELIST", ""))
        port = port or str(_port_of_step(environment))
    if not address or not port.isdecimal() or not 0 < int(port) < 65536:
        raise GoldievalError(
            f"this is one of several processes ({variables.size}={environment[variables.size]}), but "
            f"$MASTER_ADDR={address!r} and $MASTER_PORT={port!r} do not say where they meet: set both. {alone}".rstrip()
        )
    return address, int(port)


def first_host(nodes: str) -> str:
    """Return the first host of a node list of Slurm.

    >>> first_host("gpu-[03-05,09],login1"), first_host("node7"), first_host("r[1-2]n[01-08]-ib")
    ('gpu-03', 'node7', 'r1n01-ib')
    """
    host = re.split(r",(?![^\[]*\])", nodes.strip())[0]
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", host)


def _port_of_step(environment: Mapping[str, str]) -> int:
    """Return a port that differs between job steps which may run on the same machine."""
    job, step = (environment.get(name, "") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    job, step = (text if text.isdecimal() else "0" for text in (job, step))
    return 20_000 + (int(job) * 31 + int(step)) % 10_000

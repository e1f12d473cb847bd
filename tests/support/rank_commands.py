"""The command line as several ranks, in processes that are forked from one which has imported the libraries."""

from __future__ import annotations

import multiprocessing
import os
import random
import runpy
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = ["torch", "torch.distributed", "scipy.stats", "open_clip", "pyarrow.parquet", "goldieval.cli"]
PRELOADED += ["goldieval.goldiclip.trainer", "goldieval.report.training_evaluation"]
LIMIT_S = 240.0


@dataclass(frozen=True)
class Rank:
    """How one rank ended.

    Attributes:
        code: exit code; negative for a signal.
        output: what it wrote to both streams.
    """

    code: int
    output: str


class Ranks:
    """Ranks of one command that are running."""

    def __init__(
        self, size: int, arguments: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start them: a command as srun does, a program as torchrun does.

        Args:
            size: number of ranks.
            arguments: those of the command line, or a Python file with its arguments.
            folder: empty folder for their output.
            environment: variables to set.
        """
        folder.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        step = {
            "SLURM_JOB_ID": str(random.SystemRandom().randrange(10**6)),
            "SLURM_STEP_ID": "0",
            "SLURM_STEP_NUM_TASKS": str(size),
            "SLURM_STEP_NODELIST": "localhost",
            "OMP_NUM_THREADS": "1",
        }
        with socket.create_server(("localhost", 0)) as probe:
            port = str(probe.getsockname()[1])
        launched = {"WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size), "MASTER_ADDR": "localhost"}
        program = launched | {"MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        of_program = str(arguments[0]).endswith(".py")
        self._files = [folder / f"{rank}.txt" for rank in range(size)]
        self.processes: list[BaseProcess] = []
        for rank, file in enumerate(self._files):
            names = ("RANK", "LOCAL_RANK") if of_program else ("SLURM_PROCID", "SLURM_LOCALID")
            place = dict.fromkeys(names, str(rank))
            settings = (program if of_program else step) | place | dict(environment or {})
            texts = [str(argument) for argument in arguments]
            process = context.Process(target=_become, args=(texts, settings, str(file)))
            process.start()
            self.processes.append(process)

    def kill(self, rank: int, number: int = signal.SIGKILL) -> None:
        """Send a signal to a rank."""
        os.kill(self.processes[rank].pid or 0, number)

    def end(self) -> list[Rank]:
        """Wait for all ranks, and return how they ended. Raises AssertionError if one hangs."""
        end = time.monotonic() + LIMIT_S
        for process in self.processes:
            process.join(max(0.1, end - time.monotonic()))
        hanging = [rank for rank, process in enumerate(self.processes) if process.is_alive()]
        for process in self.processes:
            process.kill()
            process.join()
        outputs = [file.read_text() if file.exists() else "" for file in self._files]
        assert not hanging, f"ranks {hanging} hang: {outputs}"
        return [Rank(process.exitcode or 0, output) for process, output in zip(self.processes, outputs, strict=True)]


def _become(arguments: list[str], environment: dict[str, str], file: str) -> None:
    """Become one rank: never returns."""
    output = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    os.environ.update(environment)
    multiprocessing.set_start_method(None, force=True)  # for data workers, that of a process which nobody has forked
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores Ctrl-C
    code = 1
    try:
        if arguments[0].endswith(".py"):
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
        else:
            sys.argv = ["goldieval", *arguments]
            runpy.run_module("goldieval", run_name="__main__", alter_sys=False)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

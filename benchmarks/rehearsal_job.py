"""The processes of a rehearsed training: disturbed, and waited for.

They are forked from a server that has imported the libraries once: a start takes seconds, not a minute of imports.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import runpy
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

PRELOADED = ["torch", "open_clip", "pyarrow.parquet", "goldieval.cli", "goldieval.goldiclip.trainer"]
PRELOADED += ["goldieval.report.training_evaluation"]
MARK = "GOLDIEVAL_REHEARSAL"  # in the environment of every process, by which orphans are found
LOOK_S = 0.05
ENDS_IN_S = 180.0
STOPPED, FAILED = 75, 2


@dataclass(frozen=True)
class Disturbance:
    """Something that happens to a training.

    Attributes:
        number: the signal.
        ranks: the ranks that get it.
        after_s: seconds after the start.
        after_steps: steps after the start, where it waits for them.
    """

    number: signal.Signals
    ranks: tuple[int, ...]
    after_s: float = 0.0
    after_steps: int = 0

    @property
    def codes(self) -> set[int]:
        """Exit codes with which ranks may end."""
        return {STOPPED} if self.number != signal.SIGKILL else {-signal.SIGKILL, FAILED}

    def __str__(self) -> str:
        who = "all ranks" if len(self.ranks) > 1 else f"rank {self.ranks[0]}"
        when = f"{self.after_steps} steps" if self.after_steps else f"{self.after_s:.0f} s"
        return f"{self.number.name} to {who} {when} after the start"


def drawn_disturbances(count: int, ranks: int, start_s: float, dice: random.Random) -> list[Disturbance]:
    """Return disturbances at random moments: all kinds in turn, a third of them at any second of the start.

    Args:
        count: number of disturbances.
        ranks: number of processes.
        start_s: seconds that a start takes.
        dice: random numbers.
    """
    kinds = [signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1]
    found = []
    for place in range(count):
        hit = tuple(range(ranks)) if dice.random() < 0.3 else (dice.randrange(ranks),)
        early = place % 3 == 2
        moment = {"after_s": dice.uniform(0.3, 1.0) * start_s} if early else {"after_steps": dice.randint(1, 3)}
        found.append(Disturbance(kinds[(place + place // 3) % 3], hit, **moment))  # type: ignore[arg-type]
    return found


@dataclass
class Job:
    """A training in a folder of its own.

    Attributes:
        recipe: file of the recipe.
        out: folder of the run.
        seconds: wall time of all its starts together.
        starts: seconds from each start to its first step.
    """

    recipe: Path
    out: Path
    seconds: float = 0.0
    starts: list[float] = field(default_factory=list)

    def run(self, ranks: int, disturbance: Disturbance | None = None) -> list[int]:
        """Start, disturb, and return the exit codes of all ranks.

        Raises:
            RuntimeError: a process does not end.
        """
        begun, before = time.monotonic(), len(self.log())
        port = _free_port()
        processes = [self._process(rank, ranks, port) for rank in range(ranks)]
        self._watch(processes, disturbance, begun, before)
        for process in processes:
            process.join(ENDS_IN_S)
        hanging = [rank for rank, process in enumerate(processes) if process.is_alive()]
        for process in processes:
            process.kill()
            process.join()
        self.seconds += time.monotonic() - begun
        if hanging:
            raise RuntimeError(f"ranks {hanging} do not end within {ENDS_IN_S:.0f} s: {self.output()}")
        return [process.exitcode or 0 for process in processes]

    def _watch(self, processes: list[BaseProcess], disturbance: Disturbance | None, begun: float, before: int) -> None:
        """Wait until all ranks have ended, or the disturbance has happened."""
        first_step = None
        while any(process.is_alive() for process in processes):
            steps, passed = self._new_steps(before), time.monotonic() - begun
            if steps and first_step is None:
                first_step = passed
                self.starts.append(passed)
            if disturbance and steps >= disturbance.after_steps and passed >= disturbance.after_s:
                for rank in disturbance.ranks:
                    with suppress(ProcessLookupError):
                        os.kill(processes[rank].pid or 0, disturbance.number)
                return
            time.sleep(LOOK_S)

    def _new_steps(self, before: int) -> int:
        """Return the steps that were logged since a start, which may first remove those after the last checkpoint."""
        return max(0, len(self.log()) - before)

    def _process(self, rank: int, ranks: int, port: int) -> BaseProcess:
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "MASTER_PORT": port}
        environment = {name: str(value) for name, value in place.items()}
        environment |= {"MASTER_ADDR": "127.0.0.1"}
        environment["XDG_CACHE_HOME"] = str(self.out.parent / "cache")
        arguments = ["train", str(self.recipe), "--out", str(self.out), "--resume", "auto"]
        output = self.out.parent / f"{self.out.name}-{rank}.txt"
        process = _server().Process(target=_become, args=(arguments, environment, str(output)))
        process.start()
        return process

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of the log that are whole."""
        file = self.out / "log.jsonl"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def output(self) -> str:
        """Return the last lines of rank 0."""
        return (self.out.parent / f"{self.out.name}-0.txt").read_text()[-2000:]


def _server() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start_server(mark: str) -> set[int]:
    """Start the server from which all processes are forked, and return what has the mark from then on.

    Args:
        mark: value of ``MARK``.
    """
    os.environ |= {MARK: mark, "OMP_NUM_THREADS": "1"}  # the server reads the latter when it imports torch
    process = _server().Process(target=int)
    process.start()
    process.join()
    return marked(mark)


def _become(arguments: list[str], environment: dict[str, str], file: str) -> None:
    """Become one rank: never returns."""
    output = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    os.environ.update(environment)
    multiprocessing.set_start_method(None, force=True)  # for data workers, that of a process which nobody has forked
    sys.argv = ["goldieval", *arguments]
    code = 1
    try:
        runpy.run_module("goldieval", run_name="__main__", alter_sys=False)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def marked(mark: str) -> set[int]:
    """Return the processes that have a mark in their environment; Linux only."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.add(int(folder.name))
    return found

"""One run of the study ``goldilocks``: train, evaluate, write its file; cut at any time, it goes on where it was."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from metered import FailedError, Stop, metered
from trainings import Planned

from goldieval.core.files import atomic_write
from goldieval.core.locks import lock_file
from goldieval.goldiclip.checkpoint_folder import checkpoints
from goldilocks_study.folders import Folders
from goldilocks_study.run_files import content_of, write

EVALUATION = Path(__file__).parents[1] / "goldilocks_evaluation.py"
COST = "processor.json"
LOCK = ".study.lock"


@dataclass(frozen=True)
class Runner:
    """Does runs.

    Attributes:
        folders: where results and checkpoints are.
        start: fingerprint of the weights that all runs begin with.
        threads: threads of each program.
        stop: request to stop.
    """

    folders: Folders
    start: str
    threads: int
    stop: Stop

    def file(self, planned: Planned) -> Path:
        return self.folders.results / f"{planned.name}.json"

    def run(self, planned: Planned, test: bool) -> None:
        """Train, evaluate and write the run's file, whole or not at all.

        Args:
            planned: the run.
            test: whether it is evaluated on the test split at its end.

        Raises:
            CutError: it was stopped; it goes on next time.
            FailedError: it failed, or another process does it.
        """
        run = self.folders.home / self.folders.runs / planned.name
        run.mkdir(parents=True, exist_ok=True)
        with lock_file(run / LOCK, wait_s=0) as ours:
            if not ours:
                raise FailedError("another process does this run")
            if not self.file(planned).exists():  # it was not there when this process began
                self._whole_run(planned, run, test)

    def _whole_run(self, planned: Planned, run: Path, test: bool) -> None:
        began, out = time.monotonic(), run.relative_to(self.folders.home)
        settings = [part for key, value in planned.changes.items() for part in ("--set", f"{key}={json.dumps(value)}")]
        if not (run / f"step-{planned.whole().optimiser.steps:06d}").is_dir():
            self._do(run, ["-m", "goldieval", "train", planned.recipe, "--out", str(out), "--resume", *settings])
        self._do(run, [str(EVALUATION), str(out), *(["--test"] if test else [])])
        write(self.file(planned), content_of(planned, run, self.start, sum(_costs(run))))
        _clear(run)
        print(f"{planned.name}: {time.monotonic() - began:.0f} s", flush=True)

    def _do(self, run: Path, arguments: list[str]) -> None:
        seconds = metered(arguments, self.folders.home, run / "output.txt", self.threads, self.stop)
        atomic_write(run / COST, json.dumps([*_costs(run), seconds]).encode())


def _costs(run: Path) -> list[float]:
    file = run / COST
    return json.loads(file.read_text()) if file.is_file() else []


def _clear(run: Path) -> None:
    """Keep the weights of the last checkpoint and the log."""
    *before, last = checkpoints(run)
    for folder in [*before, run / "cards"]:
        shutil.rmtree(folder)
    for name in ("state.pt", "teacher.safetensors"):
        (last / name).unlink(missing_ok=True)

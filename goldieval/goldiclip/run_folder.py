"""The folder of a training run: ``log.jsonl`` with one line per step, checkpoints such as ``step-000500/``."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write, check_writable
from goldieval.core.locks import lock_file
from goldieval.core.temporary import SUFFIX, sweep
from goldieval.goldiclip.checkpoint_folder import checkpoints, latest, remove_whole

LOCK_WAIT_S = 10.0  # workers of a killed run, which have its lock too, look for their parent every 5 s


@dataclass(frozen=True)
class StepReport:
    """What happened in one step; a line of the log.

    Attributes:
        step: Steps done, with this one.
        images_seen: Images seen, with those of the checkpoint that the run started from.
        losses: Loss by objective, mean over all processes.
        weights: Weight by objective.
        total: Weighted sum of the losses, mean over all processes.
        gradient_norm: Norm of the whole gradient before clipping.
        rate: Images per second of all processes together, from the report before to this one: with the optimiser's work
            and the wait for data, without checkpoints and evaluations.
        learning_rate: Learning rate of the matrices, or of AdamW's part where Muon moves them.
        waited: Seconds in which this process waited for its batch.
        memory: Peak memory of this process in bytes, see ``peak_memory``.
        processor: Processor seconds of all threads of this process, from the report before to this one, as ``rate``;
            without those of workers that load batches.
    """

    step: int
    images_seen: int
    losses: dict[str, float]
    weights: dict[str, float]
    total: float
    gradient_norm: float
    rate: float
    learning_rate: float
    waited: float = 0.0
    memory: int = 0
    processor: float = 0.0

    def waiting_share(self, batch_size: int) -> float:
        """Return the share of the step in which this process waited for its batch.

        Args:
            batch_size: Images per step, of all processes.
        """
        return min(1.0, self.waited * self.rate / batch_size)


@dataclass(frozen=True)
class RunFolder:
    """The files of a run. They are written by the main process alone.

    Attributes:
        out: The folder.
    """

    out: Path

    def step(self, number: int) -> Path:
        """Return the checkpoint folder of a step."""
        return self.out / f"step-{number:06d}"

    @contextmanager
    def writing(self, step: int) -> Iterator[None]:
        """Hold the folder's lock and remove what a killed run has left.

        That is unfinished checkpoints, and lines of the log that are not whole or of later steps, which are done again.

        Args:
            step: Steps of the checkpoint that the run continues from.

        Raises:
            GoldievalError: The folder cannot be written, or another run is writing to it.
        """
        with ExitStack() as stack:
            try:
                check_writable(self.out)
            except OSError as error:
                raise self._unwritable(error) from error
            if not stack.enter_context(lock_file(self.out / ".lock", wait_s=LOCK_WAIT_S)):
                raise GoldievalError(f"another run is writing to {self.out}. Name another --out.")
            sweep(self.out)
            for unfinished in self.out.glob(".step-*"):  # as older versions named them
                if not unfinished.name.endswith(SUFFIX):
                    shutil.rmtree(unfinished, ignore_errors=True)
            self._shorten_log(step)
            yield

    def _shorten_log(self, step: int) -> None:
        try:
            lines = self._log.read_bytes().splitlines()
            atomic_write(self._log, b"".join(line + b"\n" for line in lines if _is_until(line, step)))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unwritable(error) from error

    def log(self, report: StepReport) -> None:
        """Append a step to the log; a gradient norm that overflowed in fp16 is written as null.

        Raises:
            GoldievalError: The log cannot be written.
        """
        norm = report.gradient_norm if math.isfinite(report.gradient_norm) else None
        try:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(json.dumps({**vars(report), "gradient_norm": norm}) + "\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def prune(self, keep: int, good_step: int = 0) -> None:
        """Remove old checkpoints.

        Args:
            keep: Number of the newest checkpoints that stay.
            good_step: The newest checkpoint up to this step stays as well: it is known to be good.
        """
        good = latest(self.out, good_step)
        for old in checkpoints(self.out)[:-keep]:
            if old != good:
                remove_whole(old)

    def bad_samples_log(self, rank: int) -> Path:
        """Return the file in which a process lists its bad samples."""
        return self.out / f"bad_samples{f'-{rank}' if rank else ''}.jsonl"

    def evaluated(self, step: int) -> Path:
        """Return the file that marks the evaluation of a checkpoint as finished."""
        return self.step(step) / "evaluated"

    @property
    def _log(self) -> Path:
        return self.out / "log.jsonl"

    def _unwritable(self, error: OSError) -> GoldievalError:
        return GoldievalError(
            f"cannot write to {self.out}: {error.strerror or error}. Make it writable, or name another --out."
        )


def _is_until(line: bytes, step: int) -> bool:
    """Return whether a line of a log is whole, and of a step up to ``step``."""
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False

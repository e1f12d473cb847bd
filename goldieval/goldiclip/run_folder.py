"""The folder of a training run: ``log.jsonl`` with one line a step, ``step-000500/`` checkpoints."""

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
from goldieval.goldiclip.checkpoint import checkpoints, latest, remove_whole


@dataclass(frozen=True)
class Report:
    """What one step did. losses, weights: by objective.   rate: images per second."""

    step: int
    images_seen: int
    losses: dict[str, float]
    weights: dict[str, float]
    total: float
    gradient_norm: float
    rate: float


@dataclass(frozen=True)
class RunFolder:
    """Written by the main process alone."""

    out: Path

    def step(self, number: int) -> Path:
        """Return the checkpoint folder of a step."""
        return self.out / f"step-{number:06d}"

    @contextmanager
    def begun(self, step: int) -> Iterator[None]:
        """Write here, and nobody else meanwhile; what a run that was killed has left is tidied up.

        That is checkpoints half-written, and the log after the last whole one: those steps come again.

        Raises:
            GoldievalError: the folder cannot be written, or another run is writing it.
        """
        with ExitStack() as stack:
            try:
                check_writable(self.out)
            except OSError as error:
                raise self._unwritable(error) from error
            if not stack.enter_context(lock_file(self.out / ".lock", wait_s=0)):
                raise GoldievalError(f"another run is writing to {self.out}. Name another --out.")
            sweep(self.out)
            for half in self.out.glob(".step-*"):  # of older versions
                if not half.name.endswith(SUFFIX):
                    shutil.rmtree(half, ignore_errors=True)
            if self._log.exists():
                lines = self._log.read_text(encoding="utf-8").splitlines(keepends=True)
                atomic_write(self._log, "".join(lines[:step]).encode())
            yield

    def log(self, report: Report) -> None:
        """Append a step; a gradient that overflowed in fp16 is null. Raises GoldievalError, as for a full disk."""
        norm = report.gradient_norm if math.isfinite(report.gradient_norm) else None
        try:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(json.dumps({**vars(report), "gradient_norm": norm}) + "\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def prune(self, keep: int, proven: int = 0) -> None:
        """Remove all but the newest ``keep`` checkpoints, and the newest that is good: of a step up to ``proven``."""
        good = latest(self.out, proven)
        for old in checkpoints(self.out)[:-keep]:
            if old != good:
                remove_whole(old)

    def evaluated(self, step: int) -> Path:
        """Return the file that says that the evaluation of a checkpoint has been finished."""
        return self.step(step) / "evaluated"

    @property
    def _log(self) -> Path:
        return self.out / "log.jsonl"

    def _unwritable(self, error: OSError) -> GoldievalError:
        return GoldievalError(f"cannot write to {self.out}: {error.strerror or error}. Mend it, or name another --out.")

"""The folder of a training run: ``log.jsonl`` with one line a step, ``step-000500/`` checkpoints."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path


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

    def begin(self, step: int) -> None:
        """Drop what a run that was cut has logged after its last checkpoint: those steps come again."""
        if self._log.exists():
            lines = self._log.read_text(encoding="utf-8").splitlines(keepends=True)
            self._log.write_text("".join(lines[:step]), encoding="utf-8")

    def log(self, report: Report) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(vars(report)) + "\n")

    def prune(self, keep: int) -> None:
        """Remove all but the newest ``keep`` checkpoints."""
        for old in sorted(self.out.glob("step-*"))[:-keep]:
            shutil.rmtree(old)

    @property
    def _log(self) -> Path:
        return self.out / "log.jsonl"

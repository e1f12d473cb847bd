"""Evaluation while training: the harness's own tasks on the checkpoint that was just written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from goldieval.goldiclip.recipe import Evaluation
from goldieval.report.numbers import value
from goldieval.runner import evaluate


class Says(Protocol):
    """Where a line goes."""

    def say(self, line: str) -> None: ...


@dataclass(frozen=True)
class Examiner:
    """Runs the recipe's evaluation; records go to ``out``, for ``goldieval show``, the headlines to ``screen``."""

    evaluation: Evaluation
    out: Path
    screen: Says

    def __call__(self, checkpoint: Path) -> None:
        """Evaluate a checkpoint folder. A task that fails is a failed record and a line; training goes on."""
        tasks, limit = list(self.evaluation.tasks), self.evaluation.limit
        for record in evaluate(f"goldiclip@{checkpoint}", tasks, out=self.out, limit=limit, cache=False):
            headline = record.task.headline
            found = value(headline, record.metrics[headline].value) if record.metrics else f"failed: {record.reason}"
            self.screen.say(f"{checkpoint.name}  {record.task.name}  {headline} {found}")

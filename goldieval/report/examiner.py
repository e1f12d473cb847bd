"""Evaluation while training: the harness's own tasks on the checkpoint that was just written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from goldieval.core.errors import GoldievalError, first_line
from goldieval.engine.run import evaluate
from goldieval.goldiclip.recipe_parts import Evaluation
from goldieval.report.numbers import value
from goldieval.tasks.catalogue import Catalogue


class Says(Protocol):
    """Where a line goes."""

    def say(self, line: str) -> None: ...


@dataclass(frozen=True)
class Examiner:
    """Runs the recipe's evaluation; records go to ``out``, for ``goldieval show``, the headlines to ``screen``.

    Raises:
        GoldievalError: a task that there is not, before anything has been trained.
    """

    evaluation: Evaluation
    out: Path
    screen: Says

    def __post_init__(self) -> None:
        if self.evaluation.every:
            Catalogue().select(self.evaluation.tasks)

    def __call__(self, checkpoint: Path) -> None:
        """Evaluate a checkpoint folder. What fails is a line, a task also a failed record; training goes on.

        That holds for every error, such as memory that the training holds: it would come again after each --resume.
        """
        tasks, limit = list(self.evaluation.tasks), self.evaluation.limit
        try:
            records = evaluate(f"goldiclip@{checkpoint}", tasks, out=self.out, limit=limit, cache=False)
        except Exception as error:
            kind = "" if isinstance(error, GoldievalError) else f"{type(error).__name__}: "
            self.screen.say(f"{checkpoint.name}  evaluation failed: {kind}{first_line(error)}")
            return
        for record in records:
            headline = record.task.headline
            found = value(headline, record.metrics[headline].value) if record.metrics else f"failed: {record.reason}"
            self.screen.say(f"{checkpoint.name}  {record.task.name}  {headline} {found}")

"""Evaluation during training: tasks of the harness on the checkpoint that was just written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from goldieval.core.errors import GoldievalError, first_line
from goldieval.engine.run import evaluate
from goldieval.goldiclip.recipe_parts import Evaluation
from goldieval.records.results import Results
from goldieval.report.numbers import value
from goldieval.tasks.catalogue import Catalogue


class LineOutput(Protocol):
    """Prints lines beside the progress of the training."""

    def print_line(self, line: str) -> None: ...


@dataclass(frozen=True)
class TrainingEvaluation:
    """The evaluation of a recipe.

    Attributes:
        evaluation: tasks, limit and frequency, as the recipe has them.
        out: folder of the records.
        output: where the headlines are printed.

    Raises:
        GoldievalError: a task does not exist; raised before training starts.
    """

    evaluation: Evaluation
    out: Path
    output: LineOutput

    def __post_init__(self) -> None:
        if self.evaluation.every:
            Catalogue().select(self.evaluation.tasks)

    def __call__(self, checkpoint: Path) -> Results:
        """Evaluate a checkpoint folder and return its records. An error is printed, and training continues.

        This includes every kind of error, such as insufficient memory beside the training, which would occur again
        after each --resume.
        """
        tasks, limit = list(self.evaluation.tasks), self.evaluation.limit
        try:
            records = evaluate(f"goldiclip@{checkpoint}", tasks, out=self.out, limit=limit, cache=False)
        except Exception as error:
            kind = "" if isinstance(error, GoldievalError) else f"{type(error).__name__}: "
            self.output.print_line(f"{checkpoint.name}  evaluation failed: {kind}{first_line(error)}")
            return Results([])
        for record in records:
            headline = record.task.headline
            result = value(headline, record.metrics[headline].value) if record.metrics else f"failed: {record.reason}"
            self.output.print_line(f"{checkpoint.name}  {record.task.name}  {headline} {result}")
        return records

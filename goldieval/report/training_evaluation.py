"""Evaluation during training: tasks of the harness on the checkpoint that was just written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from goldieval.core.errors import GoldievalError, InterruptedRunError, LostRankError, first_line
from goldieval.data.roots import data_root
from goldieval.engine.reporter import RankReporter, Reporter
from goldieval.engine.run import evaluate
from goldieval.goldiclip.launch import progressed
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
        data_dir: folder of the data; None means ``$GOLDIEVAL_DATA``, else the cache.
        tasks_dir: folder with the user's own task cards.
        failed: names of the tasks that failed in the last evaluation.

    Raises:
        GoldievalError: a task does not exist; raised before training starts.
    """

    evaluation: Evaluation
    out: Path
    output: LineOutput
    data_dir: Path | None = None
    tasks_dir: Path | None = None
    failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        data_root(self.data_dir)
        catalogue = Catalogue(self.tasks_dir)
        if self.evaluation.every:
            catalogue.select(self.evaluation.tasks)

    def __call__(self, checkpoint: Path, together: bool = True) -> Results:
        """Evaluate a checkpoint folder and return its records. An error is printed, and training continues.

        This includes every kind of error, such as insufficient memory beside the training, which would occur again
        after each --resume; not a request to stop, and not the loss of a process.

        Args:
            checkpoint: the checkpoint.
            together: whether all processes of the training call this, and share the work; else the others wait.
        """
        tasks, limit = list(self.evaluation.tasks), self.evaluation.limit
        try:
            records = evaluate(
                f"goldiclip@{checkpoint}",
                tasks,
                out=self.out,
                limit=limit,
                cache=False,
                data_dir=self.data_dir,
                tasks_dir=self.tasks_dir,
                distributed=together,
                reporter=RankReporter(Reporter(), progressed),
            )
        except (InterruptedRunError, LostRankError):
            raise
        except Exception as error:
            kind = "" if isinstance(error, GoldievalError) else f"{type(error).__name__}: "
            self.output.print_line(f"{checkpoint.name}  evaluation failed: {kind}{first_line(error)}")
            return Results([])
        self.failed.clear()
        self.failed.update(record.task.name for record in records if record.status == "failed")
        for record in records:
            headline = record.task.headline
            result = value(headline, record.metrics[headline].value) if record.metrics else f"failed: {record.reason}"
            self.output.print_line(f"{checkpoint.name}  {record.task.name}  {headline} {result}")
        return records

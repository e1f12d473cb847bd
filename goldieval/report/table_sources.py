"""Everything that a table may show: published numbers, cards, records, imported results."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from goldieval.records.schema import Record
from goldieval.report.published import Published
from goldieval.report.score import Score
from goldieval.report.study_runs import Runs
from goldieval.report.table_spec import Column
from goldieval.report.task_sizes import IMAGES
from goldieval.tasks.averages import Average
from goldieval.tasks.card import Task


@dataclass
class TableSources:
    """Everything that a table may show.

    Attributes:
        published: published numbers.
        tasks: tasks by name.
        records: records with their files.
        imported: results of other harnesses.
        runs: runs of training studies, by the folder of the study.
        averages: averages of suites by name.
    """

    published: Published
    tasks: dict[str, Task]
    records: list[tuple[Path, Record]] = field(default_factory=list)
    imported: list[Score] = field(default_factory=list)
    runs: dict[str, Runs] = field(default_factory=dict)  # by the folder of their study
    averages: dict[str, Average] = field(default_factory=dict)

    def made_here(self, task: str) -> bool:
        """Return whether a task, or every task of an average, belongs to the built-in world."""
        if task in self.averages:
            return all(self.made_here(member) for member in self.averages[task].tasks)
        return task in self.tasks and not self.tasks[task].card.source.on_disk

    def protocol(self, task: str) -> str:
        if task in self.averages:
            return self.averages[task].protocol
        return self.tasks[task].card.protocol if task in self.tasks else ""

    def version(self, task: str) -> int:
        """Return the version of a task's card; 0 without one."""
        return self.tasks[task].card.version if task in self.tasks else 0

    def title(self, task: str) -> str:
        """Return the title of a task, or the label of an average; empty if it is neither."""
        if task in self.averages:
            return self.averages[task].label
        return self.tasks[task].card.title if task in self.tasks else ""

    def expected(self, column: Column) -> int | None:
        """Return the number of independent units of a column: images, since their captions are dependent.

        It is that of sizes.csv, else the number of images that the card expects.
        """
        stated = self.published.size(column.task, column.metric)
        return stated or (self.tasks[column.task].card.expect.images if column.task in self.tasks else None)

    def counted(self, column: Column) -> str:
        """Return what ``expected`` counts: images, or items or pairs where distinct images are not known."""
        stated = self.published.stated_size(column.task, column.metric)
        return stated.of if stated else IMAGES

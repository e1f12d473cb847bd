"""Output of a run: the plan, progress of each tower, and the scores; without a terminal, plain lines."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from rich.padding import Padding

from goldieval.core.display import Console, Text
from goldieval.core.meter import Meter
from goldieval.core.text import shell_argument
from goldieval.data.source import tilde
from goldieval.engine.plan import Plan, SkippedTask, TowerPlan
from goldieval.engine.reporter import Reporter
from goldieval.records.schema import Record
from goldieval.report.division import division
from goldieval.report.numbers import duration
from goldieval.report.progress import ProgressDisplay
from goldieval.report.scores import scores


class ConsoleReporter(Reporter):
    """Prints the progress and the results of a run.

    Attributes:
        console: the console.
        left_out: tasks of suites that were not run.
        lacks_cards: whether a requested card cannot be read.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.left_out: list[SkippedTask] = []
        self.lacks_cards = False
        self._paths: list[Path] = []
        self._progress = ProgressDisplay(console)

    def note(self, line: str) -> None:
        self._line(line)

    def model_failed(self, spec: str, reason: str) -> None:
        self._line(f"model {spec} FAILED: {reason}", "red")

    def card_unreadable(self, reason: str, requested: bool) -> None:
        self.lacks_cards |= requested
        self._line(
            f"error: {reason}" if requested else f"a card is left out: {reason}", "red" if requested else "yellow"
        )

    def print_model(self, plan: Plan) -> None:
        """Print which model it is, and what it is not."""
        info = plan.info
        size = f", {info.parameters / 1e6:,.1f} M parameters" if info.parameters else ""
        size += f", {info.resolution} px" if info.resolution else ""  # of some models, every image has its own
        self._line(f"model {info.spec}{size}, {info.precision}", "bold")
        if info.notice:
            self._line(f"  {info.notice}", "yellow")
        if info.checkpoint:
            self._line(f"  checkpoint: {info.checkpoint}")

    def plan(self, plan: Plan) -> None:
        self.print_model(plan)
        for item in plan.tasks:
            if item.failure or item.loaded is None:
                self._line(f"  {item.task.name}: cannot run: {item.failure}", "red")
            else:
                data = item.loaded.prepared
                texts = len(data.texts or data.dataset.texts)
                folder = f", of {tilde(item.folder)}" if item.task.card.source.leads_elsewhere(item.task.file) else ""
                self._line(f"  {item.task.name}: {len(data.dataset.images):,} images, {texts:,} texts{folder}")
        for name, tower in (("images", plan.images), ("texts", plan.texts)):
            if tower is not None and tower.contents:
                self._line(f"  {name}: {_work(tower, plan.group_size)}")
        if plan.group_size > 1:
            self._line(f"  division among {plan.group_size:,} ranks:")
            for line in division(plan):
                self.console.print(Padding(Text(line), (0, 0, 0, 4), expand=False))

    def meter(self, what: str, total: int) -> AbstractContextManager[Meter]:
        return self._progress.meter(what, total, summarised=True)

    def display(self, what: str, total: int) -> AbstractContextManager[Meter]:
        return self._progress.meter(what, total)

    def wrote(self, record: Record, path: Path) -> None:
        self._paths.append(path)

    def finished(self, plan: Plan, records: list[Record]) -> None:
        self.console.print()
        self.print_scores(records)
        self.left_out += plan.skipped
        self.print_left_out(plan.skipped)
        self._print_next(plan, records)

    def print_scores(self, records: list[Record]) -> None:
        """Print the scores, and the tasks that failed with their reasons."""
        if any(record.metrics for record in records):
            self.console.parts(scores(records, self.console))
        for record in records:
            if record.status == "failed":
                self._line(f"{record.task.name} {record.outcome}: {record.reason}", "red")

    def print_left_out(self, left_out: list[SkippedTask]) -> None:
        """Print what was left out and why; tasks whose data the same command downloads share a paragraph."""
        for reason in dict.fromkeys(left.reason for left in left_out):
            self.console.print()
            self._line(f"not run, {reason}:", "bold")
            by_command: dict[str, list[SkippedTask]] = {}
            for left in (left for left in left_out if left.reason == reason):
                by_command.setdefault(left.how_to_get_any, []).append(left)
            for how, tasks in by_command.items():
                self.console.print(Padding("; ".join(map(_sized, tasks)), (0, 0, 0, 2)))
                if how:
                    self._line(f"    {how if len(tasks) > 1 else tasks[0].how_to_get}", "dim")

    def _print_next(self, plan: Plan, records: list[Record]) -> None:
        """Print the command to try next."""
        self.console.print()
        if self._paths:
            folder = self._paths[0].parent
            self._line(f"records in {folder}; all metrics: goldieval show {shell_argument(str(folder))}")
            self._paths.clear()  # the next model of the run has another folder
        if plan.info.home and any(record.task.heading for record in records):
            self._line("next, evaluate your checkpoint on real images:", "bold")
            self._line("  goldieval run --model open_clip:ViT-B-16@FILE --tasks coco-karpathy --data-dir DIR")
        elif records and all(record.status == "ok" for record in records if not record.is_average):
            self._line("next, check the model:  goldieval doctor --model " + shell_argument(plan.info.spec))

    def _line(self, line: str, style: str = "") -> None:
        """Print without breaking lines, so that paths and commands can be copied."""
        self.console.print(Text(line, style), soft_wrap=True)


def _sized(left: SkippedTask) -> str:
    count, size = left.task.card.expect.images, left.task.card.source.megabytes
    return left.task.name + (f", {count:,} images" if count else "") + (f", {size:,} MB" if size else "")


def _work(tower: TowerPlan, ranks: int) -> str:
    """Return what a tower has to do, and how long the rank with the largest share takes if its speed is known."""
    total, missing = len(tower.contents), tower.missing
    counts = f"{total:,} distinct, {total - missing:,} embedded already, {missing:,} to encode"
    rate = tower.space.rate()
    if not missing:
        return counts
    if not rate:
        return f"{counts} (speed not known yet)"
    seconds = max(tower.shares(ranks)) / rate
    return f"{counts}, {'about ' if seconds >= 1 else ''}{duration(seconds)}"

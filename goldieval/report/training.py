"""Output of a training: a progress bar on a terminal, and a line at intervals elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from goldieval.core.display import Console, Text
from goldieval.goldiclip.recipe import Recipe
from goldieval.report.numbers import duration

if TYPE_CHECKING:
    from goldieval.goldiclip.cost import Cost
    from goldieval.goldiclip.run_folder import StepReport

LINE_EVERY_S = 15.0


class TrainingReporter:
    """Prints each loss with its weight, the norm of the gradient, and what tells whether a run is slow or full."""

    def __init__(self, console: Console, recipe: Recipe) -> None:
        self.console, self.recipe = console, recipe
        self._last = 0.0
        self._first: tuple[int, float] | None = None  # first step that was reported, and when
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(recipe.name, total=recipe.optimiser.steps)
        console.print(Text(f"{recipe.name}: {recipe.title}", "bold"), soft_wrap=True)

    def resuming(self, step: int) -> None:
        """Print the step from which a resumed training continues."""
        self._bar.update(self._task, completed=step)
        self.print_line(
            f"resuming from step {step:,}" if step else "no checkpoint to resume from: starting from the beginning"
        )

    def __enter__(self) -> TrainingReporter:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(self, report: StepReport) -> None:
        line = step_line(report, self.recipe.optimiser.batch_size)
        self._bar.update(self._task, completed=report.step, description=line if self.console.is_terminal else "")
        now = time.monotonic()
        left = self._left(report.step, now)
        if not self.console.is_terminal and (
            now - self._last > LINE_EVERY_S or report.step == self.recipe.optimiser.steps
        ):
            self._last = now
            steps = self.recipe.optimiser.steps
            self.console.print(Text(f"step {report.step:,} of {steps:,}: {line}{left}"), soft_wrap=True)

    def _left(self, step: int, now: float) -> str:
        """Return the time that is left at the rate of steps since the first one that was reported."""
        if self._first is None:
            self._first = step, now
        first, start = self._first
        steps = self.recipe.optimiser.steps - step
        return f"; {duration(steps * (now - start) / (step - first))} left" if steps and step > first else ""

    def print_line(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(Text(line), soft_wrap=True)

    def cost(self, estimate: Cost, missing: str = "") -> None:
        """Print the cost of the whole recipe.

        Args:
            estimate: the estimated cost.
            missing: which of its data were missing; empty where none were.
        """
        optimiser = self.recipe.optimiser
        rate = f"{estimate.rate:,.0f}" if estimate.rate >= 10 else f"{estimate.rate:.2g}"
        memory_kind = "GPU memory per process" if estimate.device.type == "cuda" else "memory, data included"
        memory = f"{estimate.memory / 2**30:,.1f} GiB of {memory_kind}" if estimate.memory else "memory not known"
        lines = [
            f"{estimate.parameters / 1e6:,.1f} M parameters, batch {optimiser.batch_size:,}",
            f"{rate} images/s measured over {estimate.steps} {'step' if estimate.steps == 1 else 'steps'} of "
            f"{estimate.batch:,} on {estimate.processes} x {estimate.device}, {memory}",
            f"{estimate.images:,} images in {optimiser.steps:,} steps: {duration(estimate.seconds)}, "
            f"{estimate.seconds / 3600 * estimate.processes:,.2f} device hours",
        ]
        if estimate.batch < optimiser.batch_size:
            lines.insert(2, f"a step of {optimiser.batch_size:,} is not measured here and needs more memory")
        if missing:
            lines.insert(0, f"{missing} Measured on synthetic pictures: reading yours may take longer.")
        for line in lines:
            self.console.print(Text(line), soft_wrap=True)


def step_line(report: StepReport, batch_size: int) -> str:
    """Return the numbers of a step in a line.

    Args:
        report: the step.
        batch_size: images per step, of all processes.
    """
    losses = [f"{name} {loss:.3f} x{report.weights[name]:.2g}" for name, loss in report.losses.items()]
    rate = f"{report.rate:,.0f}" if report.rate >= 10 else f"{report.rate:.2g}"
    parts = [
        ", ".join(losses),
        f"lr {report.learning_rate:.2g}",
        f"|g| {report.gradient_norm:.2f}",
        f"{rate} images/s",
        f"{report.waiting_share(batch_size):.0%} waiting for data",
    ]
    memory = [f"{report.memory / 2**30:,.1f} GiB"] if report.memory else []
    return "; ".join(parts + memory)

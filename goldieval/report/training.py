"""A training run on the terminal: a bar where there is a terminal, a line now and then where there is none."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from goldieval.goldiclip.recipe import Recipe
from goldieval.report.numbers import duration

if TYPE_CHECKING:
    from goldieval.goldiclip.run_folder import Report
    from goldieval.goldiclip.trainer import Trainer

LINE_EVERY_S = 15.0
MEASURED_STEPS = 4


class TrainingScreen:
    """Shows each loss, its weight, the gradient norm and images per second."""

    def __init__(self, console: Console, recipe: Recipe, done: int) -> None:
        self.console, self.recipe = console, recipe
        self._last = 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(recipe.name, total=recipe.optimiser.steps, completed=done)
        console.print(Text(f"{recipe.name}: {recipe.title}", "bold"))

    def __enter__(self) -> TrainingScreen:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(self, report: Report) -> None:
        parts = [f"{name} {loss:.3f} x{report.weights[name]:.2g}" for name, loss in report.losses.items()]
        line = f"{', '.join(parts)}; |g| {report.gradient_norm:.2f}; {report.rate:,.0f} images/s"
        self._bar.update(self._task, completed=report.step, description=line if self.console.is_terminal else "")
        now = time.monotonic()
        if not self.console.is_terminal and (
            now - self._last > LINE_EVERY_S or report.step == self.recipe.optimiser.steps
        ):
            self._last = now
            self.console.print(Text(f"step {report.step:,} of {self.recipe.optimiser.steps:,}: {line}"), soft_wrap=True)

    def say(self, line: str) -> None:
        """A line above the bar."""
        self._bar.console.print(Text(line), soft_wrap=True)

    def cost(self, trainer: Trainer) -> None:
        """Run a few steps and print what the whole recipe would cost; nothing is kept."""
        rates = [report.rate for report, _ in zip(trainer.steps(), range(MEASURED_STEPS), strict=False)]
        rate = sorted(rates)[len(rates) // 2]
        images = self.recipe.optimiser.steps * self.recipe.optimiser.batch_size
        parameters = sum(parameter.numel() for parameter in trainer.raw.model.parameters())
        device = trainer.accelerator.device
        for line in (
            f"{parameters / 1e6:,.1f} M parameters, batch {self.recipe.optimiser.batch_size:,}, {_memory(device.type)}",
            f"{rate:,.0f} images/s measured over {len(rates)} steps on {trainer.accelerator.num_processes} x {device}",
            f"{images:,} images in {self.recipe.optimiser.steps:,} steps: {duration(images / rate)}, "
            f"{images / rate / 3600 * trainer.accelerator.num_processes:,.2f} device hours",
        ):
            self.console.print(Text(line))


def _memory(device: str) -> str:
    """The most memory that was in use: of the accelerator, else of this process with everything it holds."""
    if device == "cuda":
        import torch

        return f"{torch.cuda.max_memory_allocated() / 2**30:,.1f} GiB of GPU memory a process"
    if sys.platform == "win32":
        return "memory not known on Windows"
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:,.1f} GiB of memory, data included"

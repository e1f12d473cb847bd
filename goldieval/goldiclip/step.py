"""One step of a training: a batch in, a report out; the host waits once for the device (twice with fp16's scaler)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer

from goldieval.core.errors import GoldievalError
from goldieval.core.out_of_memory import is_out_of_memory
from goldieval.goldiclip.agreement import Agreement
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.determinism import fixed_order
from goldieval.goldiclip.divergence import DivergenceGuard
from goldieval.goldiclip.ema import update_teacher
from goldieval.goldiclip.optimiser import clamp_logit_scales, set_learning_rates, warm_up_cosine
from goldieval.goldiclip.passes import Passes
from goldieval.goldiclip.peak_memory import peak_memory
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.run_folder import StepReport
from goldieval.goldiclip.step_numbers import StepNumbers, numbers_of


class BatchTooLargeError(GoldievalError):
    """A batch does not fit into memory."""


class Clocks(NamedTuple):
    """Readings of two clocks.

    Attributes:
        wall: Seconds that have passed.
        processor: Seconds in which this process computed, of all its threads.
    """

    wall: float
    processor: float

    @classmethod
    def now(cls) -> Clocks:
        return cls(time.perf_counter(), time.process_time())


@dataclass
class TrainingStep:
    """What happens in a step.

    Attributes:
        recipe: Recipe of the run.
        accelerator: Processes, device and precision.
        passes: Forward and backward pass of student and teacher.
        optimiser: The optimiser, wrapped by accelerate.
        guard: What stops a training that has diverged.
        agreement: What this process agrees on with the others, once a step.
    """

    recipe: Recipe
    accelerator: Accelerator
    passes: Passes
    optimiser: AcceleratedOptimizer
    guard: DivergenceGuard
    agreement: Agreement

    def __post_init__(self) -> None:
        self._reported: Clocks | None = None

    def __call__(self, load: Callable[[int], Batch], step: int, images_seen: int) -> StepReport:
        """Do a step.

        Args:
            load: Returns this process's share of the batch of a step, on the host.
            step: Steps done before.
            images_seen: Images seen with those of this step, for the report.

        Raises:
            BatchTooLargeError: The batch does not fit into memory.
            GoldievalError: The training has diverged, or the data are unusable.
        """
        start = Clocks.now()
        host_batch = load(step)
        waited = time.perf_counter() - start.wall
        with self._explained_out_of_memory(), fixed_order(self.recipe.execution.deterministic):
            batch = self._agreed(host_batch).to(self.accelerator.device)
            self.guard.keep_sample(batch)
            total, losses = self.passes.backward(batch, step)
            numbers = self._numbers(total, losses)  # here the host waits for the device
            now = Clocks.now()
            self.guard.check(step, numbers, skips=self.accelerator.scaler is not None)
            self._move(step, numbers)
        before, self._reported = self._reported or start, now
        return StepReport(
            step=step + 1,
            images_seen=images_seen,
            losses=numbers.losses,
            weights=numbers.weights,
            total=numbers.total,
            gradient_norm=numbers.gradient_norm,
            rate=self.recipe.optimiser.batch_size / (now.wall - before.wall),
            learning_rate=self.recipe.optimiser.lr * warm_up_cosine(step, self.recipe),
            waited=waited,
            memory=peak_memory(self.accelerator.device),
            processor=now.processor - before.processor,
        )

    def restart_clock(self) -> None:
        """Leave out of the next step's time what has happened since this one: a checkpoint, an evaluation."""
        self._reported = None

    def _agreed(self, batch: Batch) -> Batch:
        """Exchange with the other processes what they must agree on, and is known on the hosts."""
        agreed = self.agreement.agreed({"questions": batch.has_questions, "foils": batch.has_foils})
        return replace(batch, has_questions=agreed["questions"], has_foils=agreed["foils"])

    def _numbers(self, total: torch.Tensor, losses: dict[str, torch.Tensor]) -> StepNumbers:
        """Clip the gradient, and copy the step's numbers to the host."""
        max_norm = self.recipe.optimiser.clip or math.inf  # infinity measures the norm and clips nothing
        norm = self.accelerator.clip_grad_norm_(self.passes.student.without_loss_weights(), max_norm)
        return numbers_of(total, losses, self.passes.student.loss_weights(), norm)

    def _move(self, step: int, numbers: StepNumbers) -> None:
        """Move the weights, and the teacher after them."""
        set_learning_rates(self.optimiser, step, self.recipe)
        with self.guard.checked_optimiser_step(step, numbers.own_losses):
            self.optimiser.step()
        self.optimiser.zero_grad()
        clamp_logit_scales(self.passes.student)
        update_teacher(self.passes.teacher, self.passes.student.model, self.recipe.teacher.momentum)

    @contextmanager
    def _explained_out_of_memory(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            processes, device = self.accelerator.num_processes, self.accelerator.device
            execution = self.recipe.execution
            raise BatchTooLargeError(
                f"a step of optimiser.batch_size {self.recipe.optimiser.batch_size:,} needs more memory than "
                f"{processes} x {device} have. Raise execution.micro_batches (now {execution.micro_batches}) or "
                f"execution.checkpointing (now {execution.checkpointing:g}), which leave the result as it is; or use "
                "more processes, or lower optimiser.batch_size. What fits: goldieval train RECIPE --dry-run "
                f"--processes {processes} --memory GIB."
            ) from error

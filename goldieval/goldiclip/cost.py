"""What a recipe would cost: a few steps, measured on this machine at the largest batch that is feasible."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from goldieval.goldiclip.gather import averaged
from goldieval.goldiclip.peak_memory import peak_memory
from goldieval.goldiclip.step import BatchTooLargeError
from goldieval.goldiclip.trainer import Trainer

MEASURED_STEPS = 4
SMALLEST_BATCH = 2
LONG_STEP_S = 5.0  # a batch whose step takes longer measures the rate as well as a larger one
LONG_ENOUGH_S = 10.0  # seconds of steps after which a measurement ends


@dataclass(frozen=True)
class Cost:
    """Cost of a recipe.

    Attributes:
        parameters: Number of parameters of the model.
        batch: Batch size that was measured.
        steps: Number of steps that were measured.
        rate: Images per second of all processes, averaged over the phases of a recipe with a warm start.
        memory: Peak memory of one process in bytes, 0 where it is not known.
        images: Images that the whole recipe sees.
        processes: Number of processes.
        device: Device of this process.
    """

    parameters: int
    batch: int
    steps: int
    rate: float
    memory: int
    images: int
    processes: int
    device: torch.device

    @property
    def seconds(self) -> float:
        """Seconds that the whole recipe takes."""
        return self.images / self.rate


def cost_of(trainer: Trainer) -> Cost:
    """Measure a trainer. Nothing is written; its model cannot be used afterwards.

    A single process doubles the batch up to the recipe's own as long as it fits and steps are quick: the rate hardly
    depends on it, and a laptop cannot do a step of 4,096. Several processes measure the recipe's own batch. A warm
    start, in which fewer objectives are active, is measured separately.

    Raises:
        BatchTooLargeError: Not even the smallest batch fits, or the share of one of several processes does not.
    """
    whole = trainer.recipe.optimiser.batch_size
    size = whole if trainer.accelerator.num_processes > 1 else min(whole, SMALLEST_BATCH)
    found = _measured(trainer, whole, size)
    while size < whole and size / found.rate < LONG_STEP_S:
        size = min(2 * size, whole)
        try:
            found = _measured(trainer, whole, size)
        except BatchTooLargeError:
            break
    if trainer.recipe.warm_start is None:
        return found
    steps, warm = trainer.recipe.optimiser.steps, trainer.recipe.warm_start.steps
    slowness = warm / _measured(trainer, whole, found.batch, first=0).rate + (steps - warm) / found.rate
    return replace(found, rate=steps / slowness)


def _measured(trainer: Trainer, whole: int, size: int, first: int | None = None) -> Cost:
    """Measure the steps from ``first``, by default those in which all objectives are active.

    Args:
        trainer: The trainer.
        whole: Batch size of the recipe.
        size: Batch size to measure.
        first: First step.
    """
    start = trainer.recipe.warm_start
    device = trainer.accelerator.device
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    trainer.restart(size)
    trainer.step = first if first is not None else start.steps if start else 0
    rates: list[float] = []
    while trainer.step < trainer.recipe.optimiser.steps:
        rates.append(trainer.train_step().rate)
        spent = averaged(torch.tensor(sum(size / rate for rate in rates), device=device))  # all processes stop at once
        if len(rates) == MEASURED_STEPS or float(spent) > LONG_ENOUGH_S:
            break
    return Cost(
        parameters=sum(parameter.numel() for parameter in trainer.student.model.parameters()),
        batch=size,
        steps=len(rates),
        rate=sorted(rates)[len(rates) // 2],
        memory=peak_memory(device),
        images=trainer.recipe.optimiser.steps * whole,
        processes=trainer.accelerator.num_processes,
        device=device,
    )

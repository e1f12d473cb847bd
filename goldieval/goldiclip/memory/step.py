"""The trainer's step without a trainer: no data, no processes, no files, on any device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from goldieval.goldiclip.agreement import Agreement
from goldieval.goldiclip.divergence import DivergenceGuard
from goldieval.goldiclip.ema import teacher_of
from goldieval.goldiclip.optimiser import optimiser_of
from goldieval.goldiclip.passes import Passes
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.step import TrainingStep
from goldieval.goldiclip.student import Student

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
Owned = Callable[[str], AbstractContextManager[Any]]


class PlainAccelerator:
    """What a step needs of accelerate's Accelerator, on a device that accelerate does not know.

    Attributes:
        device: The device.
        scaler: Scaler of the gradients of fp16; there is none.
    """

    scaler = None

    def __init__(self, device: torch.device, precision: str, processes: int) -> None:
        self.device, self.num_processes, self.dtype = device, processes, HALF.get(precision)

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, self.dtype) if self.dtype else nullcontext()

    def no_sync(self, model: nn.Module) -> AbstractContextManager[Any]:
        return nullcontext()

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]

    def clip_grad_norm_(self, parameters: Any, max_norm: float) -> torch.Tensor:
        return nn.utils.clip_grad_norm_(parameters, max_norm)


def step_of(recipe: Recipe, device: torch.device, processes: int = 1, owned: Owned = nullcontext) -> TrainingStep:
    """Return the step of a recipe, with the state of its optimiser as after a first step.

    Args:
        recipe: The recipe.
        device: Where weights and state are made.
        processes: Number of processes that share a batch.
        owned: Entered, with the name of what is made, while it is made.
    """
    accelerator: Any = PlainAccelerator(device, recipe.optimiser.precision, processes)
    with owned("weights"), torch.device(device):
        student = Student(recipe)
    with owned("teacher's weights"):
        teacher = teacher_of(student.model)
    with owned("optimiser"):
        optimiser: Any = optimiser_of(student, recipe, device)
        _start(optimiser, student)
    passes = Passes(student, student, teacher, accelerator, recipe)
    alone = _Alone()
    return TrainingStep(recipe, accelerator, passes, optimiser, DivergenceGuard(Path(), alone, 0), alone)


def _start(optimiser: torch.optim.Optimizer, student: Student) -> None:
    for parameter in student.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    optimiser.zero_grad()


class _Alone(Agreement):
    """An agreement of a process with itself: the others are not there."""

    def __init__(self) -> None:
        self._group, self.rank, self.stop = None, 0, ""

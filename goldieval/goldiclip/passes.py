"""Forward and backward pass of a step: the losses of a batch, and the gradient of their weighted sum."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import nn

from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.student import Student


class Passes:
    """Computes a step's losses and gradients as the recipe's ``execution`` says; the weights are left as they are."""

    def __init__(
        self, student: Student, wrapped: nn.Module, teacher: GoldiClip, accelerator: Accelerator, recipe: Recipe
    ) -> None:
        """Compute passes of a student.

        Args:
            student: The student.
            wrapped: The student as accelerate wraps it, which exchanges gradients between processes.
            teacher: The teacher, without gradients.
            accelerator: Precision and processes.
            recipe: Recipe of the run.
        """
        self.student, self.wrapped, self.teacher = student, wrapped, teacher
        self.accelerator, self.recipe = accelerator, recipe

    def backward(
        self, batch: Batch, generator: torch.Generator, step: int
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Add the gradient of a step to that of the parameters.

        Args:
            batch: This process's share of the batch.
            generator: Random numbers of the step, the same in all processes.
            step: Number of steps before this one.

        Returns:
            The weighted sum of the losses, and each loss by name; of this process, without gradients.
        """

        def work(student: Student) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            features = StepFeatures(self.recipe, student.model, self.teacher, student.state, batch, generator)
            losses = compute_losses(features, step)
            return student.weighted(losses), losses

        with self.accelerator.autocast():
            total, losses = self.wrapped(work)
        self.accelerator.backward(total)
        return total.detach(), {name: loss.detach() for name, loss in losses.items()}

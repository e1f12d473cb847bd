"""Forward and backward pass of a step: the losses of a batch, and the gradient of their weighted sum."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.execution import apply_execution
from goldieval.goldiclip.feature_cache import FeatureCache
from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.student import Result, Student


class Passes:
    """Computes a step's losses and gradients as the recipe's ``execution`` says; the weights are left as they are."""

    def __init__(
        self,
        student: Student,
        wrapped: nn.Module,
        teacher: GoldiClip,
        accelerator: Accelerator,
        recipe: Recipe,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Compute passes of a student, whose blocks, and those of the teacher, are set as the recipe says.

        Args:
            student: The student.
            wrapped: The student as accelerate wraps it, which exchanges gradients between processes.
            teacher: The teacher, without gradients.
            accelerator: Precision and processes.
            recipe: Recipe of the run.
            note: Called with a line that the user should read.

        Raises:
            GoldievalError: Blocks shall be compiled, and cannot be here.
        """
        self.student, self.wrapped, self.teacher = student, wrapped, teacher
        self.accelerator, self.recipe = accelerator, recipe
        apply_execution((student.model, teacher), recipe.execution, accelerator.device, note)

    def backward(self, batch: Batch, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Add the gradient of a step to that of the parameters.

        Args:
            batch: This process's share of the batch.
            step: Number of steps before this one.

        Returns:
            The weighted sum of the losses, and each loss by name; of this process, without gradients.
        """

        parts = self.recipe.execution.micro_batches
        cache = FeatureCache(batch, parts) if parts > 1 else None

        def work(student: Student) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            features = StepFeatures(self.recipe, student.model, self.teacher, student.state, batch, cache)
            losses = compute_losses(features, step)
            return student.weighted(losses), losses

        with self._exchanging(last=cache is None):
            total, losses = self._forward(work)
            self.accelerator.backward(total)
        if cache is not None:
            self._encode_again(cache)
        return total.detach(), {name: loss.detach() for name, loss in losses.items()}

    def _encode_again(self, cache: FeatureCache) -> None:
        """Go on with the backward pass of the losses from the features that were computed without gradients."""
        passes = cache.again()
        for number, again in enumerate(passes, start=1):
            with self._exchanging(last=number == len(passes)):
                outputs = self._forward(lambda student: again.outputs(student.model))  # noqa: B023
                again.backward(outputs)

    def _forward(self, work: Callable[[Student], Result]) -> Result:
        """Compute something through the wrapper; copies of weights in half precision end with it."""
        with self.accelerator.autocast():
            result: Result = self.wrapped(work)
        return result

    def _exchanging(self, last: bool) -> AbstractContextManager[Any]:
        """Return a context whose backward pass exchanges gradients between processes: the last one of a step does."""
        return nullcontext() if last else self.accelerator.no_sync(self.wrapped)

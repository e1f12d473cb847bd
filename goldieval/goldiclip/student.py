"""The student: the model that is trained, with the state of its objectives and the weights of its losses."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.objective_state import ObjectiveState
from goldieval.goldiclip.objectives.uncertainty import UncertaintyWeights
from goldieval.goldiclip.recipe import Recipe


class Student(nn.Module):
    """Model, objective state and loss weights as one module, so that DistributedDataParallel synchronises all of it.

    Attributes:
        model: The model.
        state: State of the objectives.
        fixed_weights: Weight of each loss in the recipe.
        learned_weights: Learned weights of the losses, or None where they are fixed.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.model = GoldiClip(recipe.model, math.log(recipe.logit_scale), recipe.logit_bias)
        self.state = ObjectiveState(recipe.model)
        self.fixed_weights: dict[str, float] = {str(name): weight for name, weight in recipe.objectives.items()}
        learned = recipe.weighting.kind == "uncertainty"
        self.learned_weights = UncertaintyWeights(self.fixed_weights, recipe.weighting.warm_up) if learned else None

    def forward(
        self, batch: Batch, teacher: GoldiClip, generator: torch.Generator, step: int
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Compute the losses of a step.

        Args:
            batch: This process's share of the batch.
            teacher: The teacher.
            generator: Random numbers of the step, the same in all processes.
            step: Number of steps before this one.

        Returns:
            The weighted sum of the losses, and each loss by name.
        """
        features = StepFeatures(self.recipe, self.model, teacher, self.state, batch, generator)
        losses = compute_losses(features, step)
        if self.learned_weights is not None:
            return self.learned_weights(losses), losses
        return torch.stack([self.fixed_weights[name] * loss for name, loss in losses.items()]).sum(), losses

    def loss_weights(self) -> Mapping[str, float] | Mapping[str, torch.Tensor]:
        """Return what each loss is multiplied by now; learned weights are on the device."""
        return self.learned_weights.weights() if self.learned_weights is not None else self.fixed_weights

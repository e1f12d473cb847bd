"""The student: the model that is trained, with the state of its objectives and the weights of its losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import nn

from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.objective_state import ObjectiveState
from goldieval.goldiclip.objectives.uncertainty import UncertaintyWeights
from goldieval.goldiclip.recipe import Recipe

Result = TypeVar("Result")


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
        scale, bias = recipe.conditioned_start
        starts = math.log(recipe.logit_scale), recipe.logit_bias, (math.log(scale), bias)
        self.model = GoldiClip(recipe.model, *starts)
        self.state = ObjectiveState(recipe.model, recipe.learned_scales, recipe.teacher.scale)
        self.fixed_weights: dict[str, float] = {str(name): weight for name, weight in recipe.objectives.items()}
        learned = recipe.weighting.kind == "uncertainty"
        bound = (recipe.contrast, recipe.weighting.relative)
        self.learned_weights = (
            UncertaintyWeights(self.fixed_weights, recipe.weighting.warm_up, *bound) if learned else None
        )

    def without_loss_weights(self) -> list[nn.Parameter]:
        """Return the parameters of model and objectives; the learned weights of the losses are trained apart."""
        return [*self.model.parameters(), *self.state.parameters()]

    def forward(self, work: Callable[[Student], Result]) -> Result:
        """Return ``work(self)``: what is computed within ``forward`` is seen by the wrapper of several processes."""
        return work(self)

    def weighted(self, losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the weighted sum of the losses of a step."""
        if self.learned_weights is not None:
            total: torch.Tensor = self.learned_weights(losses)
            return total
        return torch.stack([self.fixed_weights[name] * loss for name, loss in losses.items()]).sum()

    def loss_weights(self) -> Mapping[str, float] | Mapping[str, torch.Tensor]:
        """Return what each loss is multiplied by now; learned weights are on the device."""
        return self.learned_weights.weights() if self.learned_weights is not None else self.fixed_weights

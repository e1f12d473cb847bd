"""What is trained: the model with its objectives and loss weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from goldieval.goldiclip.losses import Losses, Step
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.objectives.uncertainty import UncertaintyWeights
from goldieval.goldiclip.recipe import Recipe


class Student(nn.Module):
    """Model, objectives and loss weights as one module, so that one wrapper synchronises all their gradients."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.model = GoldiClip(recipe.model, math.log(recipe.logit_scale), recipe.logit_bias)
        self.losses = Losses(recipe)
        learned = recipe.weighting.kind == "uncertainty"
        self.fixed: dict[str, float] = {str(name): weight for name, weight in recipe.objectives.items()}
        self.weights = UncertaintyWeights(self.fixed, recipe.weighting.warm_up) if learned else None

    def forward(self, step: Step) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        losses = self.losses(step)
        if self.weights is not None:
            return self.weights(losses), losses
        return torch.stack([self.fixed[name] * loss for name, loss in losses.items()]).sum(), losses

    def weight_values(self) -> dict[str, float]:
        return self.weights.weights() if self.weights is not None else dict(self.fixed)

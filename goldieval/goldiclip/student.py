"""What is trained: the model with its objectives, and how its parameters are optimised."""

from __future__ import annotations

import math
from typing import Any

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
        self.weights = UncertaintyWeights(list(recipe.objectives), recipe.weighting.warm_up) if learned else None
        self.fixed: dict[str, float] = {str(name): weight for name, weight in recipe.objectives.items()}

    def forward(self, step: Step) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        losses = self.losses(step)
        if self.weights is not None:
            return self.weights(losses), losses
        return torch.stack([self.fixed[name] * loss for name, loss in losses.items()]).sum(), losses

    def weight_values(self) -> dict[str, float]:
        return self.weights.weights() if self.weights is not None else dict(self.fixed)


def parameter_groups(student: Student, recipe: Recipe) -> list[dict[str, Any]]:
    """Matrices decay; gains, biases and scales do not; the loss weights have a learning rate of their own."""
    matrices = [parameter for parameter in student.model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in student.model.parameters() if parameter.ndim < 2]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": recipe.optimiser.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if student.weights is not None:
        groups.append({"params": list(student.weights.parameters()), "weight_decay": 0.0, "lr": recipe.weighting.lr})
    return groups


def warm_cosine(step: int, recipe: Recipe) -> float:
    """Factor on the learning rate: linear warm-up, then a cosine to zero."""
    warm_up, steps = recipe.optimiser.warm_up, recipe.optimiser.steps
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))

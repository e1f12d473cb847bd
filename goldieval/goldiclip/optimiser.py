"""The optimiser: AdamW with warm-up and cosine decay, and Muon for the matrices of transformer blocks if wanted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_losses import MAX_LOGIT_SCALE
from goldieval.goldiclip.student import Student

BLOCKS = (".resblocks.", "decoder.blocks.", "decoder.cross.")  # parts of the names of parameters of transformer blocks

FUSED = ("cuda", "cpu")  # devices with one kernel for all weights
KERNEL = ("fused", "foreach", "capturable")  # settings of a group that say how a step is computed


class MuonAndAdamW(torch.optim.Optimizer):
    """Muon and AdamW as one optimiser: one learning-rate schedule, one state, one step."""

    def __init__(self, muon: torch.optim.Optimizer, adamw: torch.optim.Optimizer) -> None:
        super().__init__([*muon.param_groups, *adamw.param_groups], {})
        self.parts = {"muon": muon, "adamw": adamw}
        self._share_groups()

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        for part in self.parts.values():
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            load_optimiser_state(part, state_dict[name])
        self._share_groups()

    def _share_groups(self) -> None:
        """Make the groups those of the two parts, so that their learning rates can be set through this optimiser."""
        self.param_groups = [group for part in self.parts.values() for group in part.param_groups]


def optimiser_of(student: Student, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe, for a training on a device.

    It is AdamW, or with ``optimiser.muon_lr`` Muon for the matrices of transformer blocks and AdamW for the rest. Each
    group keeps its learning rate as ``initial_lr``; that of a step is a fraction of it, see ``set_learning_rates``.

    Raises:
        GoldievalError: This version of torch has no Muon.
    """
    settings = recipe.optimiser
    by_muon = matrices_of_blocks(student) if settings.muon_lr else []
    groups = parameter_groups(student, recipe, without=by_muon)
    wanted = recipe.execution.fused
    fused = (device.type in FUSED if wanted is None else wanted) or None  # torch reads False as: one tensor at a time
    adamw = torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=fused)
    muon = _muon(by_muon, settings.muon_lr, settings.weight_decay) if settings.muon_lr else None
    optimiser = MuonAndAdamW(muon, adamw) if muon else adamw
    for group in optimiser.param_groups:
        group["initial_lr"] = group["lr"]
    return optimiser


def load_optimiser_state(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimiser's state, of any kernel, for the kernel that this optimiser uses.

    The fused kernel counts steps on the device; the others count on the host, where a count on the device would cost a
    synchronisation for each parameter and step.

    Args:
        optimiser: The optimiser, whose parameters lie on their device.
        state: State of an optimiser with the same groups.

    Raises:
        KeyError: It is the state of something else; as TypeError and ValueError.
    """
    if isinstance(optimiser, MuonAndAdamW):
        optimiser.load_state_dict(state)
        return
    pairs = zip(state["param_groups"], optimiser.param_groups, strict=True)
    groups = [saved | {key: own[key] for key in KERNEL if key in own} for saved, own in pairs]
    optimiser.load_state_dict({**state, "param_groups": groups})


def _muon(matrices: list[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    if not hasattr(torch.optim, "Muon"):
        raise GoldievalError(f"optimiser.muon_lr needs torch 2.9 or later, and this is {torch.__version__}.")
    from goldieval.goldiclip.muon import BatchedMuon

    return BatchedMuon(matrices, lr, weight_decay)


def matrices_of_blocks(student: Student) -> list[nn.Parameter]:
    """Return the weight matrices of all transformer blocks, of the towers and the decoder."""
    named = student.model.named_parameters()
    return [parameter for name, parameter in named if parameter.ndim == 2 and any(part in name for part in BLOCKS)]


def parameter_groups(student: Student, recipe: Recipe, without: list[nn.Parameter] = []) -> list[dict[str, Any]]:
    """Return AdamW's groups: matrices with weight decay; gains, biases and scales without; learned loss weights.

    Args:
        student: Model and loss weights.
        recipe: The recipe.
        without: Parameters that another optimiser moves.
    """
    left_out = {id(parameter) for parameter in without}
    ours = [parameter for parameter in student.without_loss_weights() if id(parameter) not in left_out]
    groups: list[dict[str, Any]] = [
        {"params": [one for one in ours if one.ndim >= 2], "weight_decay": recipe.optimiser.weight_decay},
        {"params": [one for one in ours if one.ndim < 2], "weight_decay": 0.0},
    ]
    if student.learned_weights is not None:
        log_variances = list(student.learned_weights.parameters())
        groups.append({"params": log_variances, "weight_decay": 0.0, "lr": recipe.weighting.lr})
    return groups


def set_learning_rates(optimiser: torch.optim.Optimizer, step: int, recipe: Recipe) -> None:
    """Set every group's learning rate for a step; it depends on the step alone, so no state of it is kept."""
    factor = warm_up_cosine(step, recipe)
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * factor


def warm_up_cosine(step: int, recipe: Recipe) -> float:
    """Return the factor on the learning rate in a step: linear warm-up, then a cosine to zero."""
    warm_up, steps = recipe.optimiser.warm_up, recipe.optimiser.steps
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


@torch.no_grad()
def clamp_logit_scales(student: Student) -> None:
    """Keep every logit scale between 1 and its bound; the parameters are its logarithm.

    The bound is ``MAX_LOGIT_SCALE``, and for the learned scales of distillation what the recipe says.
    """
    for name, parameter in student.model.named_parameters():
        if name.endswith("logit_scale"):
            parameter.clamp_(0, math.log(MAX_LOGIT_SCALE))
    if (largest := student.recipe.teacher.largest_scale) is not None:
        for name in student.recipe.learned_scales:
            student.state.scales[name].clamp_(0, math.log(largest))

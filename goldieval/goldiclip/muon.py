"""Torch's Muon with one iteration for all matrices of a shape instead of one after another; torch 2.9 or later."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Coefficients = tuple[float, float, float]


class BatchedMuon(torch.optim.Muon):
    """Muon whose updates are as large as AdamW's, so that the two learning rates are comparable.

    State and groups are those of torch's Muon with ``match_rms_adamw``, and on a CPU each bit of a step. Small matrices
    one after another leave a processor idle between them.
    """

    def __init__(self, matrices: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            if matrices:
                self._move(matrices, group)

    def _move(self, matrices: list[torch.Tensor], group: dict[str, Any]) -> None:
        gradients: list[torch.Tensor] = [matrix.grad for matrix in matrices if matrix.grad is not None]
        momenta = [self._momentum(matrix) for matrix in matrices]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        updates = torch._foreach_lerp(gradients, momenta, group["momentum"]) if group["nesterov"] else momenta
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        by_shape: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place, update in enumerate(updates):
            by_shape[min(update.shape), max(update.shape)].append(place)
        for (_, longer), places in by_shape.items():
            found = orthogonal(
                [updates[place] for place in places], group["ns_coefficients"], group["ns_steps"], group["eps"]
            )
            rate = group["lr"] * (0.2 * math.sqrt(longer))
            torch._foreach_add_([matrices[place] for place in places], found, alpha=-rate)

    def _momentum(self, matrix: torch.Tensor) -> torch.Tensor:
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        momentum: torch.Tensor = state["momentum_buffer"]
        return momentum


def orthogonal(matrices: list[torch.Tensor], coefficients: Coefficients, steps: int, eps: float) -> list[torch.Tensor]:
    """Return matrices with singular values near 1, by Newton-Schulz iterations in bfloat16.

    Args:
        matrices: Matrices of one shape or its transpose.
        coefficients: Of the first, third and fifth power.
        steps: Number of iterations.
        eps: Smallest norm by which a matrix is divided.

    Returns:
        A bfloat16 matrix for each, of the same shape.
    """
    tall = [matrix.shape[0] > matrix.shape[1] for matrix in matrices]
    halves = [matrix.to(torch.bfloat16) for matrix in matrices]
    wide = [half.T if own else half for half, own in zip(halves, tall, strict=True)]
    norms = torch.stack([half.norm() for half in wide]).clamp(min=eps)
    iterate = torch.stack(wide) / norms[:, None, None]
    first, third, fifth = coefficients
    for _ in range(steps):
        gram = iterate @ iterate.mT
        update = torch.baddbmm(gram, gram, gram, beta=third, alpha=fifth)
        iterate = torch.baddbmm(iterate, update, iterate, beta=first)
    return [own.T if was_tall else own for own, was_tall in zip(iterate, tall, strict=True)]

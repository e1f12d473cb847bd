"""The numbers of a step on the host: one copy from the device, which is the only time that a step waits for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from goldieval.goldiclip.gather import averaged

MAX_LOSS = 1e4  # no objective reaches a larger total loss unless the training has diverged


def has_diverged(total: float) -> bool:
    """Return whether a total loss is not finite or has exploded."""
    return not (math.isfinite(total) and total < MAX_LOSS)


@dataclass(frozen=True)
class StepNumbers:
    """What is known of a step after its backward pass.

    Attributes:
        diverged: Whether the total loss of any process is not finite or has exploded.
        total: Weighted sum of the losses, mean over all processes.
        losses: Loss by objective, mean over all processes.
        own_total: Weighted sum of the losses of this process.
        own_losses: Loss by objective of this process.
        weights: Weight by objective.
        gradient_norm: Norm of the whole gradient before clipping.
    """

    diverged: bool
    total: float
    losses: dict[str, float]
    own_total: float
    own_losses: dict[str, float]
    weights: dict[str, float]
    gradient_norm: float


def numbers_of(
    total: torch.Tensor,
    losses: Mapping[str, torch.Tensor],
    weights: Mapping[str, float] | Mapping[str, torch.Tensor],
    gradient_norm: torch.Tensor,
) -> StepNumbers:
    """Average over all processes and copy to the host, all at once.

    Args:
        total: Weighted sum of the losses of this process.
        losses: Loss by objective of this process.
        weights: Weight by objective; a number, or a tensor on the device.
        gradient_norm: Norm of the whole gradient.
    """
    on_device = {name: weight for name, weight in weights.items() if isinstance(weight, torch.Tensor)}
    own = _stacked(total, *losses.values())
    diverged = ~(own[:1].isfinite() & (own[:1] < MAX_LOSS))
    means = averaged(torch.cat([own, diverged]))
    parts = (means, own, _stacked(gradient_norm, *on_device.values()))
    (*shared, some_diverged), ours, (norm, *learned) = _copied(parts)
    return StepNumbers(
        diverged=some_diverged > 0,
        total=shared[0],
        losses=dict(zip(losses, shared[1:], strict=True)),
        own_total=ours[0],
        own_losses=dict(zip(losses, ours[1:], strict=True)),
        weights={**weights, **dict(zip(on_device, learned, strict=True))},  # type: ignore[dict-item]
        gradient_norm=norm,
    )


def _stacked(*scalars: torch.Tensor) -> torch.Tensor:
    return torch.stack([scalar.detach().float() for scalar in scalars])


def _copied(parts: Sequence[torch.Tensor]) -> list[list[float]]:
    """Copy several vectors of one device to the host at once."""
    together = iter(torch.cat(list(parts)).tolist())
    return [list(islice(together, len(part))) for part in parts]

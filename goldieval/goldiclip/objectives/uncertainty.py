"""Learned weights of the losses: a log variance for each (Kendall et al. 2018), times a fixed importance."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from goldieval.goldiclip.gather import averaged

LOWEST, HIGHEST = -4.0, 6.0  # bounds of a log variance


class UncertaintyWeights(nn.Module):
    """Sum over the active losses L of w (exp(-s) L + s) / 2, with learned log variances s and fixed importances w.

    The minimum over s is at s = ln L, where the sum is w ln L / 2 up to a constant: each loss counts by its logarithm,
    and w says how much. s starts at the logarithm of the mean loss over the first steps in which a loss is active. It
    is kept in float32 and trained without weight decay, with a learning rate of its own (about 1e-2 in short runs).

    The weight of a loss that is nearly solved grows without need, and with it its share of the gradient. With
    ``relative``, the factor exp(-s) of a loss stays below ``relative`` times that of the contrast; w multiplies both.

    Attributes:
        importance: w of each loss.
        contrast: The loss by whose factor the others are bounded.
        relative: Largest factor of a loss, as a multiple of that of the contrast; None sets no such bound.
        warm_up: Number of active steps over which s follows the mean loss; then the optimiser alone moves it.
        s: Log variance of each loss.
        seen: Number of steps counted for the start of each s.
        sums: Sum of the losses of these steps.
    """

    seen: torch.Tensor
    sums: torch.Tensor

    def __init__(
        self,
        importance: Mapping[str, float],
        warm_up: int = 20,
        contrast: str | None = None,
        relative: float | None = None,
    ) -> None:
        super().__init__()
        self.contrast, self.relative = contrast, relative
        self.importance, self.names, self.warm_up = dict(importance), tuple(importance), warm_up
        self.s = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in self.names})
        self.register_buffer("seen", torch.zeros(len(importance), dtype=torch.long))
        self.register_buffer("sums", torch.zeros(len(importance)))

    def forward(self, losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the weighted sum of the losses that are active in this step; the s of the others stays."""
        self._start_from_mean(losses)
        self._clamp()
        parts = [self.importance[name] * self._term(self.s[name], loss.float()) for name, loss in losses.items()]
        return torch.stack(parts).sum()

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the factor of each loss, w exp(-s) / 2, on the device, without a gradient."""
        self._clamp()
        return {name: 0.5 * self.importance[name] * torch.exp(-self.s[name].detach()) for name in self.names}

    @torch.no_grad()
    def _clamp(self) -> None:
        """Move s back into its bounds; a clamp in the loss would have no gradient outside, and s could not return."""
        for s in self.s.values():
            s.clamp_(LOWEST, HIGHEST)
        if self.contrast is None or self.relative is None:
            return
        begun = self.seen[self.names.index(self.contrast)] > 0  # in a warm start there may be no contrast yet
        lowest = (self.s[self.contrast] - math.log(self.relative)).where(begun, LOWEST)
        for name in self.names:
            if name != self.contrast:
                self.s[name].copy_(torch.maximum(self.s[name], lowest))

    @torch.no_grad()
    def _start_from_mean(self, losses: Mapping[str, torch.Tensor]) -> None:
        if not self.training:
            return
        means = averaged(torch.stack([loss.detach().float() for loss in losses.values()]))
        for name, mean in zip(losses, means.unbind(), strict=True):
            row = self.names.index(name)
            seen, total, s = self.seen[row], self.sums[row], self.s[name]
            starts = seen < self.warm_up
            seen += starts
            total.copy_(torch.where(starts, total + mean, total))
            start = (total / seen).clamp_min(1e-6).log().clamp(LOWEST, HIGHEST)
            s.copy_(torch.where(starts, start, s))

    @staticmethod
    def _term(s: torch.Tensor, loss: torch.Tensor) -> torch.Tensor:
        return 0.5 * torch.exp(-s) * loss + 0.5 * s

"""Learned weights of the losses: one log variance each (Kendall et al. 2018), and how much each loss matters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from goldieval.goldiclip.gather import averaged

LOWEST, HIGHEST = -4.0, 6.0


class UncertaintyWeights(nn.Module):
    """total = sum over the active losses of w (exp(-s) L + s) / 2; at rest s = ln L: a loss counts by its logarithm.

    ``matters`` has the w: how much the logarithm of a loss is worth. It does not move the point where s rests.
    ``s`` starts at the logarithm of the mean loss over the first ``warm_up`` steps in which a loss is active, is kept
    in float32, and is trained without weight decay and with a learning rate of its own (about 1e-2 in short runs).
    """

    seen: torch.Tensor
    sums: torch.Tensor

    def __init__(self, matters: Mapping[str, float], warm_up: int = 20) -> None:
        super().__init__()
        self.matters, self.names, self.warm_up = dict(matters), tuple(matters), warm_up
        self.s = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in self.names})
        self.register_buffer("seen", torch.zeros(len(matters), dtype=torch.long))
        self.register_buffer("sums", torch.zeros(len(matters)))

    def forward(self, losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Weigh the losses that are active in this step; the others leave their ``s`` untouched."""
        self._watch(losses)
        self._stay_in_bounds()
        parts = [self.matters[name] * self._term(self.s[name], loss.float()) for name, loss in losses.items()]
        return torch.stack(parts).sum()

    def weights(self) -> dict[str, float]:
        """Return what each loss is multiplied by."""
        self._stay_in_bounds()
        return {name: 0.5 * self.matters[name] * float(torch.exp(-self.s[name].detach())) for name in self.names}

    @torch.no_grad()
    def _stay_in_bounds(self) -> None:
        """Move back what the optimiser pushed out; a clamp in the loss would have no gradient there and hold it."""
        for s in self.s.values():
            s.clamp_(LOWEST, HIGHEST)

    @torch.no_grad()
    def _watch(self, losses: Mapping[str, torch.Tensor]) -> None:
        if not self.training:
            return
        for name, loss in losses.items():
            row = self.names.index(name)
            if self.seen[row] < self.warm_up:
                self.seen[row] += 1
                self.sums[row] += averaged(loss)
                self.s[name].copy_((self.sums[row] / self.seen[row]).clamp_min(1e-6).log().clamp(LOWEST, HIGHEST))

    @staticmethod
    def _term(s: torch.Tensor, loss: torch.Tensor) -> torch.Tensor:
        return 0.5 * torch.exp(-s) * loss + 0.5 * s

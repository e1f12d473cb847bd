"""A head in training with the state of its optimiser, and its form on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.families.dense_probe_head import WEIGHTS, Head, head_of

BETAS = (0.9, 0.999)


@dataclass
class HeadState:
    """A head between two epochs.

    Attributes:
        head: the head.
        optimiser: AdamW of what is trained.
        steps: number of steps made.
    """

    head: Head
    optimiser: torch.optim.AdamW
    steps: int

    def arrays(self) -> dict[str, np.ndarray]:
        """Return a copy of everything that determines the next steps."""
        found = self.head.arrays() | {"steps": np.array([self.steps])}
        for name, weight in zip(WEIGHTS, self.head.weights, strict=True):
            moments = self.optimiser.state[weight]
            found[f"first {name}"] = moments["exp_avg"].cpu().numpy().copy()
            found[f"second {name}"] = moments["exp_avg_sq"].cpu().numpy().copy()
        return found


def state_with(head: Head, weight_decay: float) -> HeadState:
    """Return the state of a head before its first step."""
    optimiser = torch.optim.AdamW(head.weights, betas=BETAS, weight_decay=weight_decay, foreach=False)
    return HeadState(head, optimiser, 0)


def state_of(arrays: Mapping[str, np.ndarray], weight_decay: float, device: str) -> HeadState:
    """Return the state whose ``arrays`` these are."""
    state = state_with(head_of(arrays, device), weight_decay)
    state.steps = int(arrays["steps"][0])
    for name, weight in zip(WEIGHTS, state.head.weights, strict=True):
        state.optimiser.state[weight] = {
            "step": torch.tensor(float(state.steps)),
            "exp_avg": torch.from_numpy(arrays[f"first {name}"].copy()).to(device),
            "exp_avg_sq": torch.from_numpy(arrays[f"second {name}"].copy()).to(device),
        }
    return state

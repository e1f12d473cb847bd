"""The linear head of a dense probe: batch normalisation over patches and a 1x1 convolution, as in DINOv2's evaluation.

The features are fixed, so that mean and variance of a batch are constants of its loss. A step therefore consists of
sums over its windows, each of which one thread computes; they are added up in the order of the windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.transfers import upload
from goldieval.core.units import Units
from goldieval.families.dense_probe_target import Target

EPSILON = 1e-5  # added to variances, torch's default
RUNNING = 0.1  # least weight of a batch in the running mean and variance, torch's default
DEVIATION = 0.01  # of the weights at the start, mmsegmentation's default
WEIGHTS = ("scale", "shift", "weight", "bias")
STATE = (*WEIGHTS, "mean", "variance")
Data = tuple[torch.Tensor, torch.Tensor]  # features and truth of a window


@dataclass
class Head:
    """A linear head.

    Attributes:
        scale: factor of each normalised feature, shape (dim,).
        shift: added to each normalised feature, shape (dim,).
        weight: of the convolution, shape (outputs, dim).
        bias: of the convolution, shape (outputs,).
        mean: running mean of the features, shape (dim,).
        variance: running variance of the features, shape (dim,).
    """

    scale: torch.Tensor
    shift: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    @property
    def weights(self) -> list[torch.Tensor]:
        """What is trained."""
        return [getattr(self, name) for name in WEIGHTS]

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Return the outputs for the patches of windows, with the running mean and variance.

        Args:
            features: float32, shape (windows, rows, columns, dim).

        Returns:
            Shape (windows, outputs, rows, columns).
        """
        return _outputs(features, self.mean, self.variance, self.weights).permute(0, 3, 1, 2)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return a copy of the state of the head on the host."""
        return {name: getattr(self, name).detach().cpu().numpy().copy() for name in STATE}

    def is_finite(self) -> bool:
        """Return whether no number of it is NaN or infinite."""
        return all(bool(torch.isfinite(getattr(self, name)).all()) for name in STATE)


@dataclass(frozen=True)
class WindowData:
    """One window in a step.

    Attributes:
        features: on the host, float16, shape (rows, columns, dim).
        truth: on the host, shape (height, width).
    """

    features: torch.Tensor
    truth: torch.Tensor


def new_head(dim: int, outputs: int, seed: int, device: str) -> Head:
    """Return a head before training."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.empty(outputs, dim).normal_(std=DEVIATION, generator=generator)
    parts = (torch.ones(dim), torch.zeros(dim), weight, torch.zeros(outputs), torch.zeros(dim), torch.ones(dim))
    return Head(*(part.to(device) for part in parts))


def head_of(arrays: Mapping[str, np.ndarray], device: str) -> Head:
    """Return the head whose ``arrays`` these are."""
    return Head(*(torch.from_numpy(arrays[name].copy()).to(device) for name in STATE))


def set_gradients(head: Head, batch: Sequence[WindowData], target: Target, step: int, run: Units) -> None:
    """Set the gradients of the loss of a batch on what is trained; update the running mean and variance.

    Args:
        head: the head.
        batch: the windows.
        target: gives the loss.
        step: number of the step, from 0.
        run: computes the windows.
    """
    device = head.weight.device
    windows = [(upload(data.features, device), upload(data.truth, device)) for data in batch]
    count = sum(features.shape[0] * features.shape[1] for features, _ in windows)

    def sums_of(window: Data) -> torch.Tensor:
        return window[0].float().sum((0, 1))

    def squares_of(window: Data) -> torch.Tensor:
        return (window[0].float() - mean).square().sum((0, 1))

    mean = _total(run(sums_of, windows)) / count
    squares = _total(run(squares_of, windows))
    share = max(RUNNING, 1 / (step + 1))  # the start, which is no estimate, is forgotten after the first batch
    head.mean += share * (mean - head.mean)
    head.variance += share * (squares / max(count - 1, 1) - head.variance)

    def differentiate(window: Data) -> list[torch.Tensor]:
        with torch.inference_mode(False), torch.enable_grad():  # settings of a thread
            own = [weight.detach().requires_grad_() for weight in head.weights]
            outputs = _outputs(window[0].float(), mean, squares / count, own).permute(2, 0, 1)
            loss, weight = target.loss(outputs, window[1])
            return [*torch.autograd.grad(loss, own), weight.detach()]

    sums: list[torch.Tensor] = []
    for _, parts in run(differentiate, windows):
        sums = [total + part for total, part in zip(sums, parts, strict=True)] if sums else parts
    *gradients, weight = sums
    divisor = torch.where(weight > 0, weight, torch.ones_like(weight))
    for parameter, gradient in zip(head.weights, gradients, strict=True):
        parameter.grad = gradient / divisor


def _outputs(
    features: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, weights: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Return the outputs for patches, shape (..., outputs)."""
    scale, shift, weight, bias = weights
    normalised = (features - mean) / (variance + EPSILON).sqrt()
    return torch.nn.functional.linear(normalised * scale + shift, weight, bias)


def _total(parts: Iterator[tuple[Data, torch.Tensor]]) -> torch.Tensor:
    """Return the sum of the results of units, in their order."""
    (_, total), *others = parts
    for _, part in others:
        total = total + part
    return total

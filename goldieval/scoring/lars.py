"""Linear classifier fitted as MAE's linear probe is: batch normalisation without weights, LARS, a cosine schedule.

Source: facebookresearch/mae, ``main_linprobe.py``, ``util/lars.py``, ``util/lr_sched.py``. There every epoch sees other
random crops of the images; here the features are fixed. Everything is float32, and sums are in a fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from goldieval.core.meter import tracked
from goldieval.core.units import Units, thread_count, unit_pool
from goldieval.scoring.logistic import Linear

ROWS = 2048  # of a batch that one thread computes
EPSILON = 1e-6  # added to variances
RUNNING = 0.1  # weight of a batch in the running mean and variance, torch's default
MOMENTUM, TRUST = 0.9, 0.001
DEVIATION = 0.01  # of the weights at the start
SEED = 0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    Attributes:
        epochs: passes over the rows.
        warmup: passes in which the learning rate rises.
        batch: rows per step; fewer if there are fewer.
        learning_rate: for a batch of 256; that of a batch is proportional to its size.
    """

    epochs: int
    warmup: int
    batch: int
    learning_rate: float

    def rate(self, epoch: float, batch: int) -> float:
        """Return the learning rate after so many passes."""
        top = self.learning_rate * batch / 256
        if epoch < self.warmup:
            return top * epoch / self.warmup
        return top * 0.5 * (1 + math.cos(math.pi * (epoch - self.warmup) / (self.epochs - self.warmup)))


@dataclass
class _State:
    weight: torch.Tensor  # (classes, dim)
    bias: torch.Tensor  # (classes,)
    moved_weight: torch.Tensor
    moved_bias: torch.Tensor
    mean: torch.Tensor  # running mean of the features, (dim,)
    variance: torch.Tensor


def fit_lars(features: torch.Tensor, labels: torch.Tensor, classes: int, schedule: Schedule) -> Linear:
    """Minimise the mean cross-entropy.

    The rows of the last, incomplete batch of an epoch are left out of it, as in the source.

    Args:
        features: (rows, dim).
        labels: class indices, (rows,).
        classes: number of classes.
        schedule: how long and how fast.

    Returns:
        The classifier, in float64, with the running mean and variance as its standardisation. ``converged`` is true:
        the recipe ends after a number of steps, wherever the loss is.
    """
    generator = torch.Generator().manual_seed(SEED)
    state = _start(features, classes, generator)
    batch = min(schedule.batch, len(features))
    steps = len(features) // batch
    with unit_pool(str(features.device), thread_count()) as run, torch.no_grad():
        for epoch in tracked(range(schedule.epochs), "fitting the probe", schedule.epochs):
            order = torch.randperm(len(features), generator=generator).to(features.device)
            for step in range(steps):
                rows = order[step * batch : (step + 1) * batch]
                gradients = _gradients(state, features[rows].float(), labels[rows], run)
                _move(state, *gradients, schedule.rate(epoch + step / steps, batch))
    scale = 1 / (state.variance + EPSILON).sqrt()
    on = torch.device("cpu") if features.device.type == "mps" else features.device
    mean, scale, weight, bias = (part.to(on).double() for part in (state.mean, scale, state.weight, state.bias))
    return Linear(mean, scale, weight, bias, steps=steps * schedule.epochs, converged=True)


def _start(features: torch.Tensor, classes: int, generator: torch.Generator) -> _State:
    dim, device = features.shape[1], features.device
    weight, bias = torch.empty(classes, dim), torch.empty(classes)
    torch.nn.init.trunc_normal_(weight, std=DEVIATION, generator=generator)
    bias.uniform_(-(dim**-0.5), dim**-0.5, generator=generator)
    parts = (weight, bias, torch.zeros_like(weight), torch.zeros_like(bias), torch.zeros(dim), torch.ones(dim))
    return _State(*(part.to(device) for part in parts))


def _gradients(
    state: _State, rows: torch.Tensor, labels: torch.Tensor, run: Units
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of the mean loss of a batch on weight and bias; update the running statistics."""
    mean, variance = rows.mean(0), rows.var(0, unbiased=False)
    state.mean += RUNNING * (mean - state.mean)
    state.variance += RUNNING * (variance * len(rows) / max(len(rows) - 1, 1) - state.variance)
    shift, scale = mean, 1 / (variance + EPSILON).sqrt()

    def differentiate(part: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            standard = (part[0] - shift) * scale
            residual = torch.softmax(standard @ state.weight.T + state.bias, dim=1)
            residual[torch.arange(len(standard), device=standard.device), part[1]] -= 1
            return residual.T @ standard, residual.sum(0)

    on_weight, on_bias = torch.zeros_like(state.weight), torch.zeros_like(state.bias)
    for _, (of_weight, of_bias) in run(differentiate, _blocks(rows, labels)):
        on_weight += of_weight
        on_bias += of_bias
    return on_weight / len(rows), on_bias / len(rows)


def _blocks(rows: torch.Tensor, labels: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    yield from zip(torch.split(rows, ROWS), torch.split(labels, ROWS), strict=True)


def _move(state: _State, on_weight: torch.Tensor, on_bias: torch.Tensor, rate: float) -> None:
    """Make one step; the gradient on the weights is scaled to ``TRUST`` of their length."""
    length, steepness = state.weight.norm(), on_weight.norm()
    trust = torch.where((length > 0) & (steepness > 0), TRUST * length / steepness, torch.ones_like(length))
    state.moved_weight.mul_(MOMENTUM).add_(trust * on_weight)
    state.moved_bias.mul_(MOMENTUM).add_(on_bias)
    state.weight.sub_(rate * state.moved_weight)
    state.bias.sub_(rate * state.moved_bias)

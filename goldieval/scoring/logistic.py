"""Multinomial logistic regression on features, for linear probes: strictly convex, in float64, in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController

ROWS = 16_384  # per block; its scores against 1,000 classes are 131 MB
DEVIATION = 1e-4  # smallest that a feature is divided by: below it is the rounding of float32 embeddings, not a feature
TOLERANCE = 1e-5  # largest entry of the gradient at the optimum, as a share of the penalty
RESOLUTION = 1.5e-8  # of the gradient, where a float64 loss shows no further descent: the square root of its spacing
SMALL = 100_000_000  # rows x dim x classes that one thread multiplies in less time than several need to meet
CORRECTIONS = 20  # of L-BFGS


@dataclass(frozen=True)
class Linear:
    """A fitted linear model: scores are ``(features - shift) * scale @ weight.T + bias``, all of it float64.

    Attributes:
        shift: mean of each feature, (dim,).
        scale: one over the deviation of each feature, (dim,).
        weight: (classes, dim).
        bias: (classes,).
        steps: the solver took.
        converged: whether the gradient is as small as ``optimal`` asks.
    """

    shift: torch.Tensor
    scale: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    steps: int
    converged: bool

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """Return one score per class, float64 (rows, classes), on the device where the model was fitted."""
        weight, bias = _folded(self.weight, self.bias, self.shift, self.scale)
        blocks = (rows.to(weight.device).double() @ weight.T + bias for rows in torch.split(features, ROWS))
        return torch.cat(list(blocks))


def fit(
    features: torch.Tensor, labels: torch.Tensor, classes: int, penalty: float, steps: int, start: Linear | None = None
) -> Linear:
    """Minimise the mean cross-entropy plus ``penalty / 2`` times the sum of squared weights, by L-BFGS.

    Features are standardised by their own mean and deviation; the bias is not penalised. The loss is strictly convex
    in the weights, and the solver stops where the gradient is small (see ``optimal``), whatever the way there:
    ``start`` only saves steps. Everything is float64; a device without it (MPS) leaves the fit to the CPU. Up to
    ``SMALL`` products the CPU works with one thread.

    Args:
        features: (rows, dim).
        labels: class indices, (rows,).
        classes: number of classes.
        penalty: on the squared weights over the mean loss, above 0.
        steps: maximum number of solver steps.
        start: model of the same features, classes and device to begin from.
    """
    if features.device.type == "mps":
        features, labels = features.cpu(), labels.cpu()
    with one_thread_where_small(len(features) * features.shape[1] * classes):
        objective = _Objective(features, labels, classes, penalty)
        found = minimize(
            objective,
            objective.vector(start),
            jac=True,
            method="L-BFGS-B",
            options={
                "maxiter": steps,
                "maxfun": 10 * steps,
                "maxcor": CORRECTIONS,
                "gtol": TOLERANCE * penalty,
                "ftol": 0,
            },
        )
    weight, bias = objective.parameters(found.x)
    converged = optimal(float(np.abs(found.jac).max()), penalty)
    return Linear(objective.shift, objective.scale, weight, bias, int(found.nit), converged)


def optimal(gradient: float, penalty: float) -> bool:
    """Return whether the largest entry of the gradient is that of an optimum.

    The loss is then within ``entries * gradient**2 / (2 * penalty)`` of its minimum: below 1e-5 nats for 10,000 weights
    and a penalty of 1e-7.
    """
    return gradient <= max(TOLERANCE * penalty, RESOLUTION)


@contextmanager
def one_thread_where_small(products: int) -> Iterator[None]:
    """Compute with one thread inside where there are at most ``SMALL`` products, and as before afterwards.

    Threads meet after every product; where another process has their core, each meeting waits for the scheduler.
    """
    if products > SMALL:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _pools().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@cache
def _pools() -> ThreadpoolController:
    """Return the thread pools of the process, among them that of scipy's linear algebra; to find them takes 20 ms."""
    return ThreadpoolController()


class _Objective:
    """Loss and gradient at a flat float64 vector: the rows of ``[weight | bias]``, (classes, dim + 1), one by one.

    The standardisation is folded into weight and bias, so that the features are only ever multiplied.
    """

    def __init__(self, features: torch.Tensor, labels: torch.Tensor, classes: int, penalty: float) -> None:
        self.blocks = list(zip(torch.split(features, ROWS), torch.split(labels, ROWS), strict=True))
        self.rows, self.dim = features.shape
        self.classes, self.penalty = classes, penalty
        self.shift = self._mean(lambda rows: rows)
        deviation = self._mean(lambda rows: (rows - self.shift).square()).sqrt()
        self.scale = 1 / deviation.clamp_min(DEVIATION)

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = self.parameters(vector)
        folded, folded_bias = _folded(weight, bias, self.shift, self.scale)
        loss = self.penalty / 2 * weight.square().sum()
        on_features, on_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        for rows, labels in self.blocks:
            rows = rows.double()
            likely = torch.log_softmax(rows @ folded.T + folded_bias, dim=1)
            loss -= likely.gather(1, labels[:, None]).sum() / self.rows
            residual = likely.exp_()
            residual[torch.arange(len(labels), device=labels.device), labels] -= 1
            on_features += residual.T @ rows
            on_bias += residual.sum(0)
        on_weight = (on_features - on_bias[:, None] * self.shift) * self.scale / self.rows + self.penalty * weight
        gradient = torch.cat([on_weight, on_bias[:, None] / self.rows], dim=1)
        return float(loss), gradient.flatten().cpu().numpy()

    def parameters(self, vector: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weight and bias of a flat vector, on the features' device."""
        both = torch.from_numpy(vector.copy()).to(self.shift.device).view(self.classes, self.dim + 1)
        return both[:, :-1].contiguous(), both[:, -1].contiguous()

    def vector(self, start: Linear | None) -> np.ndarray:
        """Return the flat vector of a model; of zeros where there is none."""
        if start is None:
            return np.zeros(self.classes * (self.dim + 1))
        return torch.cat([start.weight, start.bias[:, None]], dim=1).flatten().cpu().numpy()

    def _mean(self, of: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return torch.stack([of(rows.double()).sum(0) for rows, _ in self.blocks]).sum(0) / self.rows


def _folded(
    weight: torch.Tensor, bias: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight and bias that give the same scores for features as they are."""
    scaled = weight * scale
    return scaled, bias - scaled @ shift

"""Multinomial logistic regression for linear probes: strictly convex, in float64, in blocks of rows."""

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
DEVIATION = 1e-4  # minimum deviation to divide by; smaller ones are rounding of float32 embeddings, not features
TOLERANCE = 1e-5  # largest entry of the gradient at the optimum, as a fraction of the penalty
RESOLUTION = 1.5e-8  # of the gradient, at which a float64 loss shows no further descent: square root of its spacing
SMALL = 100_000_000  # rows x dim x classes below which one thread is faster than the synchronisation of several
CORRECTIONS = 20  # of L-BFGS


@dataclass(frozen=True)
class Linear:
    """A fitted linear model: scores are ``(features - shift) * scale @ weight.T + bias``, all of it float64.

    Attributes:
        shift: Mean of each feature, shape (dim,).
        scale: Reciprocal of the standard deviation of each feature, shape (dim,).
        weight: Shape (classes, dim).
        bias: Shape (classes,).
        steps: Number of solver steps.
        converged: Whether the gradient is small enough, see ``optimal``.
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

    Features are standardised by their own mean and standard deviation; the bias is not penalised. The loss is strictly
    convex in the weights, and the solver stops where the gradient is small (see ``optimal``), whatever the starting
    point: ``start`` only saves steps. Everything is float64; on a device without it (MPS) the fit runs on the CPU. Up
    to ``SMALL`` products, the CPU uses one thread.

    Args:
        features: Shape (rows, dim).
        labels: Class indices, shape (rows,).
        classes: Number of classes.
        penalty: Weight of the squared weights relative to the mean loss, above 0.
        steps: Maximum number of solver steps.
        start: Model of the same features, classes and device to start from.
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
    """Return whether the largest entry of the gradient is small enough for an optimum.

    The loss is then within ``entries * gradient**2 / (2 * penalty)`` of its minimum: less than 1e-5 nats for 10,000
    weights and a penalty of 1e-7.
    """
    return gradient <= max(TOLERANCE * penalty, RESOLUTION)


@contextmanager
def one_thread_where_small(products: int) -> Iterator[None]:
    """Use one thread inside the block if there are at most ``SMALL`` products, and restore the setting afterwards.

    Threads synchronise after every product; if another process occupies their core, each time waits for the scheduler.
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
    """Return the thread pools of the process, including that of scipy's linear algebra; finding them takes 20 ms."""
    return ThreadpoolController()


class _Objective:
    """Loss and gradient at a flat float64 vector: the rows of ``[weight | bias]``, (classes, dim + 1), concatenated.

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
        """Return weight and bias from a flat vector, on the features' device."""
        both = torch.from_numpy(vector.copy()).to(self.shift.device).view(self.classes, self.dim + 1)
        return both[:, :-1].contiguous(), both[:, -1].contiguous()

    def vector(self, start: Linear | None) -> np.ndarray:
        """Return the flat vector of a model, or zeros if there is none."""
        if start is None:
            return np.zeros(self.classes * (self.dim + 1))
        return torch.cat([start.weight, start.bias[:, None]], dim=1).flatten().cpu().numpy()

    def _mean(self, of: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return torch.stack([of(rows.double()).sum(0) for rows, _ in self.blocks]).sum(0) / self.rows


def _folded(
    weight: torch.Tensor, bias: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight and bias that give the same scores for features without standardisation."""
    scaled = weight * scale
    return scaled, bias - scaled @ shift

"""Multinomial logistic regression for linear probes: strictly convex, in float64, in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from goldieval.core.units import Units, one_thread, thread_count, unit_pool, units

ROWS = 16_384  # per block; its scores against 1,000 classes are 131 MB
DEVIATION = 1e-4  # minimum deviation to divide by; smaller ones are rounding of float32 embeddings, not features
TOLERANCE = 1e-5  # largest entry of the gradient at the optimum, as a fraction of the penalty
RESOLUTION = 1.5e-8  # of the gradient, at which a float64 loss shows no further descent: square root of its spacing
SMALL = 100_000_000  # rows x dim x classes below which one thread is faster than the synchronisation of several
THREAD_ROWS = 2048  # per block where several threads compute a block each
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
        with one_thread():
            weight, bias = _folded(self.weight, self.bias, self.shift, self.scale)

        def score(rows: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return rows.to(weight.device).double() @ weight.T + bias

        return torch.cat(
            [part for _, part in units(score, torch.split(features, ROWS), str(weight.device), thread_count())]
        )


def fit(
    features: torch.Tensor, labels: torch.Tensor, classes: int, penalty: float, steps: int, start: Linear | None = None
) -> Linear:
    """Minimise the mean cross-entropy plus ``penalty / 2`` times the sum of squared weights, by L-BFGS.

    Features are standardised by their own mean and standard deviation; the bias is not penalised. The loss is strictly
    convex in the weights, and the solver stops where the gradient is small (see ``optimal``), whatever the starting
    point: ``start`` only saves steps. Everything is float64; on a device without it (MPS) the fit runs on the CPU. On a
    CPU, up to ``SMALL`` products are computed by one thread, and more in smaller blocks of rows, one thread each.

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
    small = len(features) * features.shape[1] * classes <= SMALL
    rows = ROWS if small or features.device.type != "cpu" else THREAD_ROWS
    with unit_pool(str(features.device), 1 if small else thread_count()) as run:
        objective = _Objective(features, labels, classes, penalty, rows, run)
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


class _Objective:
    """Loss and gradient at a flat float64 vector: the rows of ``[weight | bias]``, (classes, dim + 1), concatenated.

    The standardisation is folded into weight and bias, so that the features are only ever multiplied.
    """

    def __init__(
        self, features: torch.Tensor, labels: torch.Tensor, classes: int, penalty: float, rows: int, run: Units
    ) -> None:
        """Standardise the features.

        Args:
            features: Shape (rows, dim).
            labels: Class indices, shape (rows,).
            classes: Number of classes.
            penalty: Weight of the squared weights.
            rows: Number of rows of a block.
            run: Computes blocks; their sums are added up in order.
        """
        self.blocks = list(zip(torch.split(features, rows), torch.split(labels, rows), strict=True))
        self.rows, self.dim = features.shape
        self.classes, self.penalty, self._run = classes, penalty, run
        self.shift = self._mean(lambda rows: rows)
        deviation = self._mean(lambda rows: (rows - self.shift).square()).sqrt()
        self.scale = 1 / deviation.clamp_min(DEVIATION)

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = self.parameters(vector)
        folded, folded_bias = _folded(weight, bias, self.shift, self.scale)
        loss = self.penalty / 2 * weight.square().sum()
        on_features, on_bias = torch.zeros_like(weight), torch.zeros_like(bias)

        def differentiate(block: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            with torch.no_grad():
                return _block_gradient(*block, folded, folded_bias)

        for _, (likelihood, block_on_features, block_on_bias) in self._run(differentiate, self.blocks):
            loss -= likelihood / self.rows
            on_features += block_on_features
            on_bias += block_on_bias
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
        def total(block: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            with torch.no_grad():
                return of(block[0].double()).sum(0)

        return torch.stack([part for _, part in self._run(total, self.blocks)]).sum(0) / self.rows


def _block_gradient(
    rows: torch.Tensor, labels: torch.Tensor, folded: torch.Tensor, folded_bias: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the log-likelihood of a block of rows, and the gradients of its negative on weight and bias."""
    rows = rows.double()
    likely = torch.log_softmax(rows @ folded.T + folded_bias, dim=1)
    likelihood = likely.gather(1, labels[:, None]).sum()
    residual = likely.exp_()
    residual[torch.arange(len(labels), device=labels.device), labels] -= 1
    return likelihood, residual.T @ rows, residual.sum(0)


def _folded(
    weight: torch.Tensor, bias: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight and bias that give the same scores for features without standardisation."""
    scaled = weight * scale
    return scaled, bias - scaled @ shift

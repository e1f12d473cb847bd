"""Ridge regression on the classes in closed form, as big_vision evaluates few-shot (``evaluators/fewshot_lsr.py``).

Features are standardised by the training images, a constant feature is appended for the bias, and targets are 1 for the
true class and -1 for the others. Everything is float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from goldieval.core.units import thread_count, units

CONSTANT = 100.0  # value of the constant feature: the penalty hardly affects the bias
DEVIATION = 1e-5  # added to each standard deviation
ROWS = 16_384  # per block


@dataclass(frozen=True)
class Ridge:
    """A fitted regression.

    Attributes:
        shift: mean of each feature, (dim,).
        scale: standard deviation of each feature, with ``DEVIATION`` added, (dim,).
        weight: (dim + 1, classes), the last row for the constant feature.
    """

    shift: torch.Tensor
    scale: torch.Tensor
    weight: torch.Tensor

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """Return one score per class, float64, (rows, classes)."""

        def score(rows: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return _extended(rows, self.shift, self.scale) @ self.weight

        parts = torch.split(features.to(self.weight.device), ROWS)
        return torch.cat([part for _, part in units(score, parts, str(self.weight.device), thread_count())])


def fit_ridge(features: torch.Tensor, labels: torch.Tensor, classes: int, l2: float) -> Ridge:
    """Minimise the sum of squared errors plus ``l2`` times the sum of squared weights.

    Of the two forms of the solution, the one with the smaller matrix is computed. On a device without float64 (MPS),
    the CPU computes.

    Args:
        features: (rows, dim).
        labels: class indices, (rows,).
        classes: number of classes.
        l2: weight of the squared weights, above 0.
    """
    if features.device.type == "mps":
        features, labels = features.cpu(), labels.cpu()
    blocks = [each.double() for each in torch.split(features, ROWS)]
    shift = torch.stack([each.sum(0) for each in blocks]).sum(0) / len(features)
    squares = torch.stack([(each - shift).square().sum(0) for each in blocks]).sum(0)
    scale = (squares / len(features)).sqrt() + DEVIATION
    if len(features) <= features.shape[1]:
        whole = _extended(features, shift, scale)
        return Ridge(shift, scale, whole.T @ _solved(whole @ whole.T, l2, _targets(labels, classes)))
    width = features.shape[1] + 1
    gram, moments = _zeros(width, width, features), _zeros(width, classes, features)
    for rows, own in zip(torch.split(features, ROWS), torch.split(labels, ROWS), strict=True):
        extended = _extended(rows, shift, scale)
        gram += extended.T @ extended
        moments += extended.T @ _targets(own, classes)
    return Ridge(shift, scale, _solved(gram, l2, moments))


def _zeros(rows: int, columns: int, like: torch.Tensor) -> torch.Tensor:
    """Return zeros in float64 on the device of another tensor."""
    return torch.zeros(rows, columns, dtype=torch.float64, device=like.device)


def _extended(rows: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return standardised features with the constant one."""
    standard = (rows.double() - shift) / scale
    return torch.cat([standard, torch.full_like(standard[:, :1], CONSTANT)], dim=1)


def _targets(labels: torch.Tensor, classes: int) -> torch.Tensor:
    return 2 * torch.nn.functional.one_hot(labels, classes).double() - 1


def _solved(gram: torch.Tensor, l2: float, right: torch.Tensor) -> torch.Tensor:
    """Return ``(gram + l2 * identity)^-1 @ right``."""
    gram.diagonal().add_(l2)
    solved: torch.Tensor = torch.cholesky_solve(right, torch.linalg.cholesky(gram))
    return solved

"""Depth from the scores of bins, and the losses by which a head learns it, as DINOv2's linear probe of depth has them.

Bins divide the range uniformly. A pixel's scores are rectified, increased by 0.1 and divided by their sum (AdaBins,
Bhat et al. 2021); its depth is the mean of the bins with these weights. Bilinear upsampling is a product with two
matrices, so that no sum is in an order that the device chooses.
"""

from __future__ import annotations

import torch

from goldieval.core.transfers import upload
from goldieval.scoring.windows import upsampling

FLOOR = 0.1  # added to every rectified score
EPSILON = 1e-3  # metres, added before logarithms
STRIDES = (1, 2, 4, 6)  # of the maps whose gradients are compared
STEP = 2  # pixels between the two values of a gradient
SMALLEST = 1e-12  # of a squared loss, whose root has a finite gradient


def resized(maps: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return maps resized bilinearly.

    Args:
        maps: Shape (…, rows, columns).
        height: New number of rows.
        width: New number of columns.

    Returns:
        Shape (…, height, width).
    """
    vertical, horizontal = (
        upload(upsampling(cells, pixels).contiguous(), maps.device)
        for cells, pixels in zip(maps.shape[-2:], (height, width), strict=True)
    )
    return vertical @ maps @ horizontal.T


def depth_of_bins(scores: torch.Tensor, nearest: float, farthest: float, finer: int) -> torch.Tensor:
    """Return the depths of a grid that is finer than that of the patches.

    Scores are upsampled in place of features: both are linear, so that the result is the same.

    Args:
        scores: Of each bin, float32, shape (windows, bins, rows, columns).
        nearest: Depth of the first bin, in metres.
        farthest: Depth of the last bin.
        finer: Factor by which the grid is finer.

    Returns:
        Metres, shape (windows, 1, finer * rows, finer * columns).
    """
    rows, columns = scores.shape[2:]
    weights = resized(scores, finer * rows, finer * columns).relu() + FLOOR
    bins = torch.linspace(nearest, farthest, scores.shape[1], device=scores.device)
    return (weights * bins[:, None, None]).sum(1, keepdim=True) / weights.sum(1, keepdim=True)


def sigma_loss(predicted: torch.Tensor, truth: torch.Tensor, mean_weight: float) -> torch.Tensor:
    """Return the root of variance plus weighted squared mean of the error of the logarithm, over pixels of known depth.

    Args:
        predicted: Metres, shape (height, width).
        truth: True metres, 0 where unknown.
        mean_weight: Weight of the squared mean: 1 minus the factor of Eigen's scale-invariant error.
    """
    known = (truth > 0).to(predicted.dtype)
    error, count = _log_error(predicted, truth), known.sum()
    mean = (error * known).sum() / count.clamp(min=1)
    variance = ((error - mean).square() * known).sum() / (count - 1).clamp(min=1)
    return (variance + mean_weight * mean.square() + SMALLEST).sqrt()


def gradient_loss(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return the mean gradient of the error of the logarithm, summed over scales (MegaDepth, Li and Snavely 2018).

    Gradients are differences of pixels two apart, of the map itself and of every second, fourth and sixth pixel.

    Args:
        predicted: Metres, shape (height, width).
        truth: True metres, 0 where unknown.
    """
    error, known = _log_error(predicted, truth), (truth > 0).to(predicted.dtype)
    total = predicted.new_zeros(())
    for stride in STRIDES:
        part, there = error[::stride, ::stride], known[::stride, ::stride]
        down = ((part[STEP:] - part[:-STEP]).abs() * there[STEP:] * there[:-STEP]).sum()
        across = ((part[:, STEP:] - part[:, :-STEP]).abs() * there[:, STEP:] * there[:, :-STEP]).sum()
        total = total + (down + across) / there.sum().clamp(min=1)
    return total


def _log_error(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return (predicted + EPSILON).log() - (truth + EPSILON).log()

"""Errors of estimated depth: which pixels are evaluated, and the errors of one picture over them.

The definitions are those of Eigen, Puhrsch and Fergus (2014), as BTS, AdaBins and DINOv2 compute them: the errors of a
picture are means over its evaluated pixels, and a score is the mean over pictures. Depths are in metres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np

RATIO = 1.25  # of the accuracies delta1, delta2 and delta3, to the first, second and third power
EIGEN_SIZE = (480, 640)  # height and width of the maps that the Eigen crop is defined for
EIGEN = (45, 471, 41, 601)
GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)  # shares of height and width; of KITTI
Crop = Literal["none", "eigen", "garg"] | Sequence[int]


def crop_of(shape: tuple[int, int], crop: Crop) -> tuple[slice, slice]:
    """Return the rows and columns that are evaluated.

    Args:
        shape: height and width of the map.
        crop: ``none``; ``eigen``: rows 45 to 470 and columns 41 to 600 of a map of 480 x 640; ``garg``: the shares of
            height and width that KITTI is evaluated on; or first row, end of rows, first column, end of columns.

    Raises:
        ValueError: the crop is not defined for maps of this size.

    >>> crop_of((480, 640), "eigen"), crop_of((375, 1242), "garg"), crop_of((9, 9), [1, 8, 0, 9])
    ((slice(45, 471, None), slice(41, 601, None)), (slice(153, 371, None), slice(44, 1197, None)), (slice(1, 8, None), slice(0, 9, None)))
    """  # noqa: E501
    height, width = shape
    if crop == "none":
        return slice(0, height), slice(0, width)
    if crop == "garg":
        top, bottom, left, right = GARG
        return slice(int(top * height), int(bottom * height)), slice(int(left * width), int(right * width))
    if crop == "eigen" and shape != EIGEN_SIZE:
        raise ValueError(f"the Eigen crop is of maps of 640 x 480 pixels, this one has {width} x {height}")
    first, last, left_end, right_end = EIGEN if crop == "eigen" else (int(edge) for edge in crop)
    if not (0 <= first < last <= height and 0 <= left_end < right_end <= width):
        raise ValueError(
            f"rows {first} to {last} and columns {left_end} to {right_end} are not within a map of {width} x {height}"
        )
    return slice(first, last), slice(left_end, right_end)


def evaluated(truth: np.ndarray, nearest: float, farthest: float, crop: Crop = "none") -> np.ndarray:
    """Return whether each pixel is evaluated: its depth is known and within the range, and it lies in the crop.

    Args:
        truth: metres, 0 where unknown, (height, width).
        nearest: only larger depths are evaluated.
        farthest: only smaller depths are evaluated.
        crop: see ``crop_of``.

    Raises:
        ValueError: the crop is not defined for maps of this size.
    """
    inside = np.zeros(truth.shape, dtype=bool)
    inside[crop_of((truth.shape[0], truth.shape[1]), crop)] = True
    kept: np.ndarray = inside & (truth > max(nearest, 0.0)) & (truth < farthest)
    return kept


def depth_errors(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return every error of one picture, by name.

    Args:
        predicted: positive metres of the evaluated pixels, (pixels,).
        truth: true metres of the same pixels, positive, (pixels,).

    Raises:
        ValueError: no pixel is evaluated.

    >>> found = depth_errors(np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    >>> {name: round(value, 4) for name, value in found.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'rmse': 0.7071, 'abs_rel': 0.25, 'log10': 0.1505, 'silog': 0.3466, 'delta1': 0.5, 'delta2': 0.5, 'delta3': 0.5}
    """
    if not truth.size:
        raise ValueError("no pixel is evaluated")
    predicted, truth = predicted.astype(np.float64), truth.astype(np.float64)
    return {name: error(predicted, truth) for name, error in ERRORS.items()}


def root_mean_square(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Return the root of the mean squared error, in metres."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def absolute_relative(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean of |predicted - true| / true."""
    return float(np.mean(np.abs(predicted - truth) / truth))


def log10_error(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean of |log10 predicted - log10 true|."""
    return float(np.mean(np.abs(np.log10(predicted) - np.log10(truth))))


def scale_invariant(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Return the standard deviation of the error of the natural logarithm, which no factor of all depths changes.

    It is the root of Eigen's scale-invariant error with its factor of 1, as BTS and KITTI have it; mmsegmentation's has
    0.5 in its place.
    """
    return float(np.std(np.log(predicted) - np.log(truth)))


def within_ratio(predicted: np.ndarray, truth: np.ndarray, power: int) -> float:
    """Return the share of pixels whose larger depth is less than 1.25 ** power times the smaller one."""
    return float(np.mean(np.maximum(predicted / truth, truth / predicted) < RATIO**power))


ERRORS: MappingProxyType[str, Callable[[np.ndarray, np.ndarray], float]] = MappingProxyType(
    {
        "rmse": root_mean_square,
        "abs_rel": absolute_relative,
        "log10": log10_error,
        "silog": scale_invariant,
        "delta1": lambda predicted, truth: within_ratio(predicted, truth, 1),
        "delta2": lambda predicted, truth: within_ratio(predicted, truth, 2),
        "delta3": lambda predicted, truth: within_ratio(predicted, truth, 3),
    }
)

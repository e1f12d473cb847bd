"""Blur: out of focus, through frosted glass, of a moving camera, and of one that moves towards its subject."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage, signal

from goldieval.data.corruptions.streaks import streaked

_DEFOCUS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))  # radius of the disk, deviation of its soft edge
_GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))  # blur, largest move, repetitions
_MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))  # radius and deviation of the streak
_ZOOM = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))  # end and step of the factors


def defocus_blur(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Convolve with a disk whose edge is a little soft."""
    radius, soft = _DEFOCUS[severity - 1]
    y, x = np.mgrid[-radius - 2 : radius + 3, -radius - 2 : radius + 3]
    disk = ndimage.gaussian_filter((x**2 + y**2 <= radius**2).astype(float), soft, truncate=2)
    edge = radius + 2
    padded = np.pad(picture, ((edge, edge), (edge, edge), (0, 0)), mode="reflect")
    blurred: np.ndarray = signal.fftconvolve(padded, (disk / disk.sum())[:, :, None], mode="valid", axes=(0, 1))
    return blurred


def glass_blur(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Blur, take each pixel from a random place nearby, several times, and blur again."""
    sigma, most, repetitions = _GLASS[severity - 1]
    shuffled = ndimage.gaussian_filter(picture, (sigma, sigma, 0))
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    for _ in range(repetitions):
        down, right = random.randint(-most, most + 1, (2, height, width))
        shuffled = shuffled[(rows + down).clip(0, height - 1), (columns + right).clip(0, width - 1)]
    blurred: np.ndarray = ndimage.gaussian_filter(shuffled, (sigma, sigma, 0))
    return blurred


def motion_blur(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Smear in one direction, within 45 degrees of the horizontal."""
    return streaked(picture, *_MOTION[severity - 1], random.uniform(-45, 45))


def zoom_blur(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Average the picture with enlargements about its centre."""
    factors = np.arange(1, *_ZOOM[severity - 1]).tolist()
    mean: np.ndarray = np.mean([picture, *(enlarged(picture, factor) for factor in factors)], axis=0)
    return mean


def enlarged(picture: np.ndarray, factor: float) -> np.ndarray:
    """Return a picture enlarged about its centre and cut to its size, with linear interpolation.

    Args:
        picture: (height, width, channels).
        factor: at least 1.
    """
    down, right = (_linear(length, factor) for length in picture.shape[:2])
    rows = picture[down.low] * down.rest[:, None, None] + picture[down.high] * (1 - down.rest)[:, None, None]
    made: np.ndarray = rows[:, right.low] * right.rest[:, None] + rows[:, right.high] * (1 - right.rest)[:, None]
    return made


class _Linear(NamedTuple):
    """Where the pixels of an enlarged line come from.

    Attributes:
        low: the pixel before each place, (pixels,).
        high: the pixel after it.
        rest: the weight of the pixel before it.
    """

    low: np.ndarray
    high: np.ndarray
    rest: np.ndarray


def _linear(length: int, factor: float) -> _Linear:
    """Return the linear interpolation of a line of pixels that is enlarged about its centre."""
    centre = (length - 1) / 2
    places = centre + (np.arange(length) - centre) / factor
    low = np.floor(places).astype(int)
    return _Linear(low, np.minimum(low + 1, length - 1), 1 - (places - low))

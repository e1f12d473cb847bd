"""Noise: of the sensor in low light, of counted photons, and of bits that were flipped."""

from __future__ import annotations

import numpy as np

_GAUSSIAN = (0.08, 0.12, 0.18, 0.26, 0.38)  # standard deviation
_SHOT = (60, 25, 12, 5, 3)  # photons of a white pixel
_IMPULSE = (0.03, 0.06, 0.09, 0.17, 0.27)  # share of the values


def gaussian_noise(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Add normal noise to every value."""
    return picture + random.normal(scale=_GAUSSIAN[severity - 1], size=picture.shape)


def shot_noise(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Replace every value by a Poisson count of photons with that mean."""
    photons = _SHOT[severity - 1]
    return random.poisson(picture * photons) / photons


def impulse_noise(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Set a share of the values to 0 or 1, each channel by itself (salt and pepper)."""
    hit = random.random_sample(picture.shape) < _IMPULSE[severity - 1]
    return np.where(hit, random.randint(0, 2, picture.shape), picture)

"""Streaks in one direction, of a moving camera or of falling snow."""

from __future__ import annotations

import numpy as np


def streaked(picture: np.ndarray, radius: int, sigma: float, degrees: float) -> np.ndarray:
    """Return a picture smeared towards one side, weighted by half a normal distribution, as by ImageMagick.

    Args:
        picture: (height, width, ...).
        radius: half of the length of the streak in pixels.
        sigma: standard deviation of its weights in pixels.
        degrees: its direction, 0 for the horizontal.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    downs = np.round(steps * np.sin(np.radians(degrees))).astype(int)
    rights = np.round(steps * np.cos(np.radians(degrees))).astype(int)
    edge, (height, width) = 2 * radius, picture.shape[:2]
    padded = np.pad(picture, ((edge, edge), (edge, edge), *[(0, 0)] * (picture.ndim - 2)), mode="edge")
    total = np.zeros_like(picture, dtype=float)
    for weight, down, right in zip(weights / weights.sum(), downs, rights, strict=True):
        top, left = edge - down, edge - right
        total += weight * padded[top : top + height, left : left + width]
    return total

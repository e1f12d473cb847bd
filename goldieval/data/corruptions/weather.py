"""Weather: snow, frost on the pane, and fog."""

from __future__ import annotations

import numpy as np

from goldieval.data.corruptions.blur import enlarged
from goldieval.data.corruptions.clouds import clouds
from goldieval.data.corruptions.streaks import streaked

_SNOW = (  # mean, deviation, size, threshold of the flakes; radius and deviation of their streaks; share of the picture
    (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
_FROST = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))  # shares of the picture and of the ice
_FOG = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))  # thickness and smoothness
_LUMA = (0.299, 0.587, 0.114)
_ICE = (0.86, 0.93, 1.0)  # its colour


def snow(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Whiten the picture and add flakes that fall in two directions."""
    mean, deviation, size, threshold, radius, sigma, kept = _SNOW[severity - 1]
    layer = enlarged(random.normal(mean, deviation, picture.shape[:2])[:, :, None], size)
    flakes = streaked(np.where(layer < threshold, 0, layer).clip(0, 1), radius, sigma, random.uniform(-135, -45))
    grey = (picture @ np.array(_LUMA))[:, :, None]
    whitened = kept * picture + (1 - kept) * np.maximum(picture, 1.5 * grey + 0.5)
    fallen: np.ndarray = whitened + flakes + np.rot90(flakes, 2)
    return fallen


def frost(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Add ice crystals. They are drawn here; ImageNet-C uses six photographs."""
    share, ice = _FROST[severity - 1]
    shape = picture.shape[:2]
    needles = clouds(shape, 1.5, random, coarsest=4, ridged=True) ** 2
    cover = clouds(shape, 2.0, random, coarsest=2)
    layer = (needles * (0.35 + 1.3 * cover)).clip(0, 1)
    iced: np.ndarray = share * picture + ice * layer[:, :, None] * np.array(_ICE)
    return iced


def fog(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Add clouds of light, and darken the whole so that its brightest value stays."""
    thickness, smoothness = _FOG[severity - 1]
    brightest = max(float(picture.max()), 1 / 255)
    layer = clouds((picture.shape[0], picture.shape[1]), smoothness**2, random)
    misty: np.ndarray = (picture + thickness * layer[:, :, None]) * brightest / (brightest + thickness)
    return misty

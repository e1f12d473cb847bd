"""Random clouds: a sum of smooth random fields, each twice as fine as the one before."""

from __future__ import annotations

import numpy as np
from PIL import Image


def clouds(
    shape: tuple[int, int], decay: float, random: np.random.RandomState, coarsest: int = 1, ridged: bool = False
) -> np.ndarray:
    """Return a random height map in 0..1, like the plasma fractals by which ImageNet-C draws fog.

    Args:
        shape: height and width.
        decay: factor by which the amplitude falls when the size of the cells is halved.
        random: random numbers.
        coarsest: number of cells along a side of the coarsest field, a power of two.
        ridged: whether each field has sharp ridges where it crosses zero, as ice and marble have.
    """
    side = max(shape)
    total, cells, amplitude = np.zeros(shape), coarsest, 1.0
    while cells <= side:
        grid = random.uniform(-1, 1, (cells + 1, cells + 1)).astype(np.float32)
        field = np.asarray(Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC), dtype=float)
        field = field[: shape[0], : shape[1]]
        total += amplitude * (1 - 2 * np.abs(field) if ridged else field)
        cells, amplitude = 2 * cells, amplitude / decay
    lowest, highest = total.min(), total.max()
    scaled: np.ndarray = (total - lowest) / max(highest - lowest, 1e-12)
    return scaled

"""RoIAlign with one bin, written out sample by sample."""

from __future__ import annotations

import math

import numpy as np


def by_definition(grid: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The mean of bilinear samples: ceil(cells) per side, at the middles of equal parts, of a map (rows, columns, dim).

    Coordinates are those of cells, whose values lie at their centres; beyond the outer centres the map is constant.
    """
    rows, columns, _ = grid.shape
    left, top, right, bottom = (np.float32(end) * side for end, side in zip(box, (columns, rows) * 2, strict=True))

    def places(low: float, high: float) -> list[float]:
        count = math.ceil(high - low)
        return [low - 0.5 + (number + 0.5) * (high - low) / count for number in range(count)]

    def between(place: float, size: int) -> tuple[int, int, float]:
        place = min(max(place, 0.0), size - 1.0)
        first = min(int(place), size - 1)
        return first, min(first + 1, size - 1), place - first

    samples = []
    for y in places(top, bottom):
        for x in places(left, right):
            above, below, down = between(y, rows)
            before, after, along = between(x, columns)
            upper = (1 - along) * grid[above, before] + along * grid[above, after]
            lower = (1 - along) * grid[below, before] + along * grid[below, after]
            samples.append((1 - down) * upper + down * lower)
    return np.mean(samples, axis=0)

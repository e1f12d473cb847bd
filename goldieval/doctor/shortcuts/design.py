"""The design of scenes and sentences: every pair of levels of two attributes occurs equally often.

The levels of a run of 64 are linear functions of six bits, those of a run of 27 of three ternary digits (orthogonal
arrays of strength 2: Rao, 1947; Hedayat, Sloane and Stufken, 1999, chapter 3). What a level stands for is drawn at
random, so that a combination of two attributes does not always fall on the same level of a third.
"""

from __future__ import annotations

import numpy as np

from goldieval.data.shapes.dice import dice, shuffled

RUNS_OF_EIGHT, RUNS_OF_THREE = 64, 27
EIGHTS = 9  # factors of eight levels in 64 runs
FIELD = 0b1011  # x^3 + x + 1, whose roots generate the field of eight elements


def eights() -> list[np.ndarray]:
    """Return nine factors of eight levels, each (64,), of which any two have every pair of levels once."""
    runs = np.arange(RUNS_OF_EIGHT)
    first, second = runs % 8, runs // 8
    multiples = [second]
    for _ in range(EIGHTS - 3):
        multiples.append(_doubled(multiples[-1]))
    return [first, second, *(first ^ multiple for multiple in multiples)]


def threes() -> list[np.ndarray]:
    """Return three factors of nine, three and three levels, each (27,), any two of which are balanced."""
    runs = np.arange(RUNS_OF_THREE)
    nine, three = runs % 9, runs // 9
    return [nine, three, (nine + three) % 3]


def relabelled(levels: np.ndarray, *names: object) -> np.ndarray:
    """Return the same levels with numbers exchanged at random; ``names`` seed the draw."""
    return np.array(shuffled(dice("design", *names), range(int(levels.max()) + 1)))[levels]


def _doubled(elements: np.ndarray) -> np.ndarray:
    """Multiply elements of the field of eight by its generator."""
    shifted = elements << 1
    return np.where(shifted & 8, shifted ^ FIELD, shifted)

"""Choices that are equal on every platform and Python version: only ``random.Random(str).random()`` is used.

Python promises that ``random()`` gives the same numbers for the same seed; it does not promise it for ``choice``,
``sample`` or ``shuffle``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def dice(*names: object) -> random.Random:
    """Return a generator seeded with the given names, independent of every other generator of this package."""
    return random.Random("goldieval shapes/" + "/".join(str(name) for name in names))


def below(rng: random.Random, n: int) -> int:
    """Return an integer in ``0 .. n - 1``."""
    return int(rng.random() * n)


def chance(rng: random.Random, probability: float) -> bool:
    return rng.random() < probability


def choose(rng: random.Random, options: Sequence[T]) -> T:
    return options[below(rng, len(options))]


def shuffled(rng: random.Random, items: Sequence[T]) -> list[T]:
    """Return the items in random order (Fisher and Yates)."""
    result = list(items)
    for last in range(len(result) - 1, 0, -1):
        other = below(rng, last + 1)
        result[last], result[other] = result[other], result[last]
    return result


def one_to(rng: random.Random, shares: Sequence[float]) -> int:
    """Return ``1 .. len(shares)``; ``shares`` are the probabilities, the last one taking what rounding leaves."""
    point = rng.random()
    for number, share in enumerate(shares, start=1):
        point -= share
        if point < 0:
            return number
    return len(shares)

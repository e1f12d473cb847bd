"""The p that a test gives a difference of every size, on given samples, and from which size on it rejects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DIGITS = 9  # sums in another order differ in the last digits and are one size


@dataclass(frozen=True, eq=False)
class Tail:
    """What a test says of differences. sizes: (sizes,) ascending.   p: (sizes,) of a difference so large, falling."""

    sizes: np.ndarray
    p: np.ndarray

    @property
    def mean_square(self) -> float:
        """Of the sizes, if differences come as p says."""
        return float(self.sizes**2 @ (self.p - np.append(self.p[1:], 0.0)))

    def critical(self, level: float) -> float:
        """Return the size from which on p is at most ``level``; 0 of no sizes, the largest where none is rejected.

        Where sizes come in steps it lies between the smallest that is rejected and the next below it: there a normal
        distribution that stands for differences in such steps is cut.
        """
        first = int(np.searchsorted(-self.p, -level))
        around = self.sizes[max(first - 1, 0) : first + 1]
        return float(around.mean()) if len(around) else 0.0


def exchange_tail(sizes: np.ndarray, chances: np.ndarray, n: int) -> Tail:
    """Return the exact tail of exchanging two models.

    Args:
        sizes: (sizes,) what the sum of differences can be, of either sign.   chances: (sizes,) of each.   n: queries.
    """
    there, which = np.unique(np.abs(sizes), return_inverse=True)
    p = np.cumsum(np.bincount(which, chances)[::-1])[::-1]
    return Tail(there / n, np.minimum(p, 1.0))


def swap_tail(differences: np.ndarray) -> Tail:
    """Return the tail of ``pvalues.swap_p``, of differences of models exchanged at random, shape (draws,)."""
    sizes, reached = _reached(np.abs(differences))
    return Tail(sizes, (reached + 1) / (len(differences) + 1))


def bootstrap_tail(differences: np.ndarray, observed: float) -> Tail:
    """Return the tail of ``pvalues.bootstrap_p`` on the side of 0: draws scatter alike around any difference.

    Args:
        differences: (draws,) of the bootstrap.   observed: the difference that they scatter around.
    """
    fallen = observed - differences if observed >= 0 else differences - observed
    sizes, reached = _reached(fallen)
    kept = sizes > 0
    return Tail(sizes[kept], np.minimum(2 * (reached[kept] + 1) / (len(fallen) + 1), 1.0))


def _reached(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values, ascending, and how many are at least as large as each."""
    sizes, counts = np.unique(np.round(values, DIGITS), return_counts=True)
    return sizes, np.cumsum(counts[::-1])[::-1]

"""The p of a test for differences of every size on given samples, and the size from which it rejects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DIGITS = 9  # sums in another order differ in the last digits only


@dataclass(frozen=True, eq=False)
class Tail:
    """The upper tail of a test.

    Attributes:
        sizes: sizes of a difference, ascending, (sizes,).
        p: p-value of each size, descending, (sizes,).
    """

    sizes: np.ndarray
    p: np.ndarray

    @property
    def mean_square(self) -> float:
        """Mean square of the sizes under the distribution of which ``p`` is the upper tail."""
        return float(self.sizes**2 @ (self.p - np.append(self.p[1:], 0.0)))

    def scaled(self, factor: float) -> Tail:
        """Return the tail of a multiple of the difference."""
        return Tail(factor * self.sizes, self.p)

    def critical(self, level: float) -> float:
        """Return the size from which p is at most ``level``; 0 without sizes, the largest where none is rejected.

        It lies between the smallest size that is rejected and the next below: the continuity correction of a normal
        distribution that approximates a discrete one.
        """
        first = int(np.searchsorted(-self.p, -level))
        around = self.sizes[max(first - 1, 0) : first + 1]
        return float(around.mean()) if len(around) else 0.0


def exchange_tail(sizes: np.ndarray, chances: np.ndarray, n: int) -> Tail:
    """Return the exact tail of exchanging two models.

    Args:
        sizes: possible sums of differences, of either sign, (sizes,).
        chances: their probabilities, (sizes,).
        n: number of queries.
    """
    there, which = np.unique(np.abs(sizes), return_inverse=True)
    p = np.cumsum(np.bincount(which, chances)[::-1])[::-1]
    return Tail(there / n, np.minimum(p, 1.0))


def swap_tail(differences: np.ndarray) -> Tail:
    """Return the tail of ``pvalues.swap_p``, from differences of models exchanged at random, (draws,)."""
    sizes, reached = _reached(np.abs(differences))
    return Tail(sizes, (reached + 1) / (len(differences) + 1))


def bootstrap_tail(differences: np.ndarray, observed: float) -> Tail:
    """Return the tail of ``pvalues.bootstrap_p`` on the side of 0; the shape of the draws is taken to be constant.

    Args:
        differences: of the bootstrap, (draws,).
        observed: the difference around which they lie.
    """
    fallen = observed - differences if observed >= 0 else differences - observed
    sizes, reached = _reached(fallen)
    kept = sizes > 0
    return Tail(sizes[kept], np.minimum(2 * (reached[kept] + 1) / (len(fallen) + 1), 1.0))


def _reached(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values, ascending, and the number of values that are at least as large as each."""
    sizes, counts = np.unique(np.round(values, DIGITS), return_counts=True)
    return sizes, np.cumsum(counts[::-1])[::-1]

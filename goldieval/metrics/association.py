"""The Jaccard index of the k best of several candidates, where k of them are right."""

from __future__ import annotations

import math

import numpy as np

from goldieval.metrics.ranks import TIE


def expected_jaccard(scores: np.ndarray, right: np.ndarray) -> float:
    """Return the Jaccard index of the right candidates and as many of those that score highest.

    Candidates that tie at the cut are drawn at random, and the expected index is returned.

    Args:
        scores: score of each candidate, (candidates,).
        right: whether each belongs, (candidates,); at least one does.

    >>> round(expected_jaccard(np.array([0.9, 0.8, 0.1]), np.array([True, False, True])), 4)
    0.3333
    """
    k = int(right.sum())
    cut = np.sort(scores)[::-1][k - 1]
    above, tied = scores > cut + TIE, np.abs(scores - cut) <= TIE
    sure, among, slots = int((above & right).sum()), int((tied & right).sum()), k - int(above.sum())
    return sum(share * _jaccard(sure + hits, k) for hits, share in _drawn(int(tied.sum()), among, slots))


def jaccard_of_guesses(candidates: int, right: int) -> float:
    """Return the expected Jaccard index of as many candidates drawn at random as are right.

    >>> round(jaccard_of_guesses(5, 2), 4), round(jaccard_of_guesses(10, 2), 4)
    (0.3, 0.1407)
    """
    return sum(share * _jaccard(hits, right) for hits, share in _drawn(candidates, right, right))


def _jaccard(hits: int, k: int) -> float:
    return hits / (2 * k - hits)


def _drawn(items: int, right: int, draws: int) -> list[tuple[int, float]]:
    """Return every possible number of right ones among ``draws`` of ``items``, with its probability."""
    ways = math.comb(items, draws)
    possible = range(max(0, draws - (items - right)), min(right, draws) + 1)
    return [(hits, math.comb(right, hits) * math.comb(items - right, draws - hits) / ways) for hits in possible]

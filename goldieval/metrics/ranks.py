"""Ranks in retrieval: how many candidates score higher than a query's best positive, and how many tie with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from goldieval.metrics.answers import TIE as TIE
from goldieval.metrics.answers import Answers
from goldieval.metrics.tie_groups import TieGroups


@dataclass(frozen=True)
class Ranks:
    """One entry per query, for one direction.

    Attributes:
        above: number of negatives that score higher than the best positive, (queries,).
        tied: number of negatives that score the same, (queries,).
        tied_positives: number of positives that score the same as the best, itself included, (queries,).
        positives: number of all positives, (queries,).
        gallery: number of candidates; an array, (queries,), if it differs between queries.
        answers: the best right and the best wrong answer to each query, where they were determined.
        groups: ranks of all positives instead of the best alone, where they were determined.
    """

    above: np.ndarray
    tied: np.ndarray
    tied_positives: np.ndarray
    positives: np.ndarray
    gallery: int | np.ndarray
    answers: Answers | None = None
    groups: TieGroups | None = None

    def of(self, queries: np.ndarray) -> Ranks:
        """Return the ranks of a selection of queries, given as a mask or as indices."""
        above, tied = self.above[queries], self.tied[queries]
        answers = self.answers.of(queries) if self.answers is not None else None
        groups = self.groups.of(queries) if self.groups is not None else None
        gallery = self.gallery if isinstance(self.gallery, int) else self.gallery[queries]
        return Ranks(above, tied, self.tied_positives[queries], self.positives[queries], gallery, answers, groups)

    @property
    def low(self) -> np.ndarray:
        """Rank of the best positive if it comes first in every tie, from 1, (queries,)."""
        low: np.ndarray = self.above + 1
        return low

    @property
    def high(self) -> np.ndarray:
        """Rank of the best positive if all tied negatives come first, (queries,)."""
        high: np.ndarray = self.above + self.tied + 1
        return high

    def expected(self) -> np.ndarray:
        """Return the expected rank of the first positive under random tie-breaking, (queries,)."""
        expected: np.ndarray = self.above + 1 + self.tied / (self.tied_positives + 1)
        return expected

    def hits(self, k: int) -> np.ndarray:
        """Return the probability that a positive is among the first ``k`` under random tie-breaking, (queries,).

        Without ties this is 0 or 1: "recall at k" in the sense of CLIP papers, where any positive counts.
        """
        places = np.minimum(k - self.above, self.tied + self.tied_positives)
        misses = _draws_without(self.tied, self.tied + self.tied_positives, np.maximum(places, 0))
        return np.where(places > 0, 1 - misses, 0.0)

    def reciprocal(self) -> np.ndarray:
        """Return the expected reciprocal rank of the first positive under random tie-breaking, (queries,)."""
        values = 1 / (self.above + 1)
        for query in np.flatnonzero(self.tied):
            positives, negatives = self.tied_positives[query], self.tied[query]
            later = (
                positives + negatives - 1 - np.arange(negatives + 1)
            )  # places of the group behind the first positive
            log_share = _log_choose(later, positives - 1) - _log_choose(positives + negatives, positives)
            values[query] = (np.exp(log_share) / (self.above[query] + 1 + np.arange(negatives + 1))).sum()
        return values

    def chance(self, k: int) -> float:
        """Return the recall at k of a random order of the gallery."""
        drawn = np.minimum(k, self.gallery) * np.ones_like(self.positives)
        return float(np.mean(1 - _draws_without(self.gallery - self.positives, self.gallery, drawn)))

    def chance_rank(self) -> np.ndarray:
        """Return the expected rank of the first positive in a random order, (queries,)."""
        return (self.gallery + 1) / (self.positives + 1)


def _log_choose(items: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the logarithm of the binomial coefficient."""
    log: np.ndarray = gammaln(items + 1) - gammaln(chosen + 1) - gammaln(items - chosen + 1)
    return log


def _draws_without(without: np.ndarray, total: np.ndarray | int, draws: np.ndarray) -> np.ndarray:
    """Return the probability that ``draws`` of ``total`` items, without replacement, are all among ``without``."""
    total = np.broadcast_to(np.asarray(total), without.shape)
    possible = draws <= without
    left = np.where(possible, without - draws, 0)
    log_share = gammaln(without + 1) - gammaln(left + 1) + gammaln(total - draws + 1) - gammaln(total + 1)
    share: np.ndarray = np.where(possible, np.exp(log_share), 0.0)
    return np.where(draws == 0, 1.0, share)

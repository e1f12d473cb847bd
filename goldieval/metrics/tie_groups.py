"""Ranks of all positives of a query, as mAP@R, R-Precision and nDCG need them. Ties count as expected at random.

Where candidates tie, a ranking is one of many orders. As McSherry and Najork (2008, Computing Information Retrieval
Performance Measures Efficiently in the Presence of Tied Scores) do, a measure is its mean over all orders of the ties,
here in closed form: within a group of p positives and n negatives every place holds a positive with probability
p / (p + n), and given that one does, each other place of the group does with (p - 1) / (p + n - 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TieGroups:
    """Groups of tied candidates with a positive among them, by query and then by rank, for one direction.

    Attributes:
        query: index of the query, ascending, (groups,).
        before: number of candidates that rank before the group, (groups,).
        positives_before: number of positives among those, (groups,).
        positives: number of positives in the group, (groups,).
        negatives: number of negatives in the group, (groups,).
        relevant: number of positives of each query, including those that are not in the gallery, (queries,).
        gallery: number of candidates.
    """

    query: np.ndarray
    before: np.ndarray
    positives_before: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray
    relevant: np.ndarray
    gallery: int

    def of(self, queries: np.ndarray) -> TieGroups:
        """Return the groups of a selection of queries, given as a mask or as ascending indices."""
        rows = np.flatnonzero(queries) if queries.dtype == bool else queries
        place = np.full(len(self.relevant), -1)
        place[rows] = np.arange(len(rows))
        kept = place[self.query] >= 0
        columns = (self.before, self.positives_before, self.positives, self.negatives)
        before, positives_before, positives, negatives = (column[kept] for column in columns)
        return TieGroups(
            place[self.query[kept]], before, positives_before, positives, negatives, self.relevant[rows], self.gallery
        )

    def with_absent(self, absent: np.ndarray) -> TieGroups:
        """Return the same with that many more positives of each query, (queries,), which the gallery lacks."""
        columns = (self.query, self.before, self.positives_before, self.positives, self.negatives)
        return TieGroups(*columns, self.relevant + absent, self.gallery)

    def found(self, places: np.ndarray) -> np.ndarray:
        """Return the expected number of positives in the first places of each query.

        Args:
            places: number of places, (queries,).
        """
        return self._per_query(self._share() * self._places_within(places))

    def precision_sum(self, places: np.ndarray | None = None) -> np.ndarray:
        """Return the expected sum of the precisions at those of the first places that hold a positive, (queries,).

        Args:
            places: number of places, (queries,); all by default.
        """
        within = self._places_within(np.full(len(self.relevant), self.gallery) if places is None else places)
        size = self.positives + self.negatives
        others = (self.positives - 1) / np.maximum(size - 1, 1)  # share of positives among the other places of a group
        inverse = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, self.gallery + 1))])
        harmonic = inverse[self.before + within] - inverse[self.before]
        precision = (self.positives_before + 1 - others * (self.before + 1)) * harmonic + others * within
        alone = (self.positives_before + 1) / (self.before + 1) * (within > 0)
        return self._per_query(self._share() * np.where(size == 1, alone, precision))

    def discounted_gain(self, k: int) -> np.ndarray:
        """Return the expected sum of 1 / log2(1 + place) over the first k places that hold a positive, (queries,)."""
        within = self._places_within(np.full(len(self.relevant), k))
        discounts = ideal_gain(self.gallery)
        return self._per_query(self._share() * (discounts[self.before + within] - discounts[self.before]))

    def _share(self) -> np.ndarray:
        """Return the probability that a place of a group holds a positive, (groups,)."""
        share: np.ndarray = self.positives / (self.positives + self.negatives)
        return share

    def _places_within(self, places: np.ndarray) -> np.ndarray:
        """Return how many places of each group are among the first ``places`` of its query, (groups,)."""
        within: np.ndarray = np.clip(places[self.query] - self.before, 0, self.positives + self.negatives)
        return within

    def _per_query(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of a query's groups, (queries,)."""
        sums: np.ndarray = np.bincount(self.query, values, len(self.relevant))
        return sums


def ideal_gain(most: int) -> np.ndarray:
    """Return the sum of 1 / log2(1 + place) over the first 0, 1, ... ``most`` places, (most + 1,).

    >>> ideal_gain(2).round(4).tolist()
    [0.0, 1.0, 1.6309]
    """
    return np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, most + 2)))])

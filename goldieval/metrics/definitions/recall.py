"""Recall at k: a query is a hit if any of its positives is among the first k candidates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from goldieval.metrics.rank_metric import ANY_RETRIEVAL, DIRECTION, RankMetric, in_directions, of_strata

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.ranks import Ranks


class Recall(RankMetric):
    """Recall at k of one direction, of all queries or of those of one stratum."""

    families = ANY_RETRIEVAL
    pattern = f"{DIRECTION}_r(?P<k>[0-9]+)(_(?P<stratum>.+))?"
    label_format = "{direction} R@{k}"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return its directions at every k, and those of the strata and languages."""
        kinds = [f"r{k}" for k in params.k]
        return in_directions(kinds, params.directions) + of_strata(kinds, params)

    @property
    def k(self) -> int:
        """Number of candidates among which a positive is looked for."""
        return int(self.parts["k"])

    @property
    def place(self) -> int:
        return 4 if self.stratum else 0

    @property
    def in_summary(self) -> bool:
        return self.k in (1, 5) and not self.stratum

    @property
    def is_proportion(self) -> bool:
        return not self.stratum

    def chance(self, counts: Mapping[str, int]) -> float | None:
        """Return what a guess gets where every image has the same number of texts, and a text one image."""
        candidates = self._candidates(counts)
        positives = counts["texts"] / counts["images"] if self.direction == "i2t" else 1.0
        if not candidates or self.k + positives > candidates:
            return 1.0 if candidates else None
        if positives <= 1:
            return self.k / candidates
        return 1 - math.prod(1 - positives / (candidates - drawn) for drawn in range(self.k))

    def certainty(self, counts: Mapping[str, int]) -> str:
        """Return why every query is a hit: of one image, or of no more candidates than k."""
        candidates = self._candidates(counts)
        if counts["images"] > 1 and self.k < candidates:
            return super().certainty(counts)
        return f"{self.name} looks among {candidates:,} candidates for one of the first {self.k}"

    def per_query(self, ranks: Ranks) -> np.ndarray:
        return ranks.hits(self.k)

    def of_random_order(self, ranks: Ranks) -> float | None:
        return ranks.chance(self.k)

    def _candidates(self, counts: Mapping[str, int]) -> int:
        """Return the size of the gallery, in which an image as the query is not."""
        return counts["texts"] if self.direction == "i2t" else counts["images"] - (self.direction == "i2i")

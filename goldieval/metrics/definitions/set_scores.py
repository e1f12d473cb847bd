"""Winoground's scores: a set of queries is right if all of its queries are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from goldieval.metrics.definitions.accuracy import hits_of
from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues

SIDES = ("text", "image", "group")
# What four scores in random order get: each side's two queries are right in 6 of 24 orders, all four in 4 of them.
CHANCE = {"text": 6 / 24, "image": 6 / 24, "group": 4 / 24}


class SetScore(Metric):
    """Share of sets that are right: of the queries for a text, of those for an image, or of all."""

    pattern = f"(?P<side>{'|'.join(SIDES)})_score(_(?P<stratum>.+))?"
    families = ("choice",)
    label_format = "{side} score"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the three scores, where queries come in sets, and each of every stratum."""
        strata = ["", *(f"_{stratum}" for stratum in params.strata)]
        return [f"{side}_score{stratum}" for side in SIDES for stratum in strata] if params.sets else []

    @property
    def position(self) -> tuple[int, ...]:
        return (2, SIDES.index(self.parts["side"]))

    def guess(self, columns: Columns) -> float | None:
        """Return what scores in random order get."""
        return CHANCE[self.parts["side"]]

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the probability that each set is right, ties being broken at random and apart, (sets,)."""
        import numpy as np

        from goldieval.metrics.query_values import QueryValues, rows_of_stratum, sets_of

        hits, sets, rows = hits_of(columns), sets_of(columns), rows_of_stratum(columns, self.stratum)
        if hits is None or sets is None or rows is None:
            return None
        hits, by_image = hits[rows], columns["direction"][rows] == "i2t"  # one image, several texts
        sides = {"text": by_image, "image": ~by_image, "group": np.ones(len(hits), dtype=bool)}
        side = sides[self.parts["side"]]
        names, which = np.unique(sets[rows], return_inverse=True)
        right = np.ones(len(names))
        np.multiply.at(right, which[side], hits[side])
        return QueryValues(names, right, np.arange(len(names)), np.arange(len(names)))

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by McNemar's exact test over sets, or by the bootstrap where ties share hits."""
        from goldieval.metrics.paired import paired_hits

        return paired_hits(a.values, b.values, a.groups)

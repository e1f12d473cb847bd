"""The base of retrieval metrics over the ranks of all positives of a query, which cards name in ``params.metrics``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from goldieval.metrics.rank_metric import ANY_RETRIEVAL, RankMetric, in_directions, of_strata

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.query_values import Columns, QueryValues
    from goldieval.metrics.tie_groups import TieGroups

STRATUM = "(_(?P<stratum>.+))?"


class OnRequest(RankMetric):
    """A metric of retrieval that only cards which name it in ``params.metrics`` have."""

    families = ANY_RETRIEVAL

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return what the card names of this kind in its directions, and of its strata."""
        kinds = [kind for kind in params.metrics if re.fullmatch(cls.pattern, f"t2i_{kind}")]
        return in_directions(kinds, params.directions) + of_strata(kinds, params)

    @property
    def place(self) -> int:
        return 4 if self.stratum else 1

    @property
    def kind(self) -> str:
        """The name without direction and stratum, which is what a card writes."""
        return self.whole.partition("_")[2]


class AllPositivesMetric(OnRequest):
    """A mean over the queries of one direction of what follows from the ranks of all positives.

    The family writes the value of each query, ``of_groups``, as a column with the name of the kind.
    """

    def of_groups(self, groups: TieGroups) -> np.ndarray:
        """Return the value of each query, the mean over all orders of its ties, (queries,)."""
        raise NotImplementedError

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the values that the family wrote."""
        from goldieval.metrics.query_values import select

        rows = self._rows(columns)
        if rows is None or self.kind not in columns:
            return None
        return select(columns, columns[self.kind][rows].astype(float), rows)

    def guess(self, columns: Columns) -> float | None:
        """Return what a random order of the gallery gets: all candidates tie."""
        import numpy as np

        from goldieval.metrics.tie_groups import TieGroups

        rows = self._rows(columns)
        if rows is None or "gallery" not in columns or not len(rows):
            return None
        gallery, positives = columns["gallery"][rows], columns["positives"][rows]
        absent = columns["absent"][rows] if "absent" in columns else 0
        none, queries = np.zeros_like(positives), np.arange(len(rows))
        groups = TieGroups(queries, none, none, positives, gallery - positives, positives + absent, int(gallery.max()))
        return float(self.of_groups(groups).mean())

"""The mean over languages of a retrieval metric: every language counts the same, whatever its number of texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.mean_of_strata import MeanOfStrata
from goldieval.metrics.rank_metric import DIRECTION, RankMetric, both_directions

if TYPE_CHECKING:
    from goldieval.metrics.metric import Metric
    from goldieval.metrics.query_values import Columns, QueryValues


class MeanOfLanguages(MeanOfStrata, RankMetric):
    """Mean over languages of another metric of the same direction, whose kind follows in the name."""

    pattern = f"{DIRECTION}_macro_(?P<kind>.+)"
    place = 0

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return every recall and every other metric that the card names, where there are several languages."""
        kinds = [f"macro_{kind}" for kind in (*(f"r{k}" for k in params.k), *params.metrics)]
        return both_directions(kinds) if len(params.languages) > 1 else []

    @property
    def label(self) -> str:
        return f"{self._of_one().label}, mean of languages"

    @property
    def in_summary(self) -> bool:
        return self._of_one().in_summary

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the values of all queries with the language of each."""
        import numpy as np

        from goldieval.metrics.query_values import rows_of_stratum, strata_of

        values, names = self._of_one().values(columns), strata_of(columns)
        if values is None or len(names) < 2:
            return None
        masks = np.zeros((len(columns["sample_id"]), len(names)), dtype=bool)
        for place, name in enumerate(names):
            rows = rows_of_stratum(columns, name)
            masks[[] if rows is None else rows, place] = True
        masks = masks[values.rows]
        return replace(values, strata=masks.argmax(axis=1)) if (masks.sum(axis=1) == 1).all() else None

    def guess(self, columns: Columns) -> float | None:
        """Return the mean over languages of what a random order of the gallery gets."""
        import numpy as np

        from goldieval.metrics.query_values import strata_of

        guesses = [self._of_one(f"_{name}").guess(columns) for name in strata_of(columns)]
        known = [guess for guess in guesses if guess is not None]
        return float(np.mean(known)) if known else None

    def _of_one(self, stratum: str = "") -> Metric:
        """Return the metric of which this is the mean, of all languages or of one."""
        from goldieval.metrics.registry import metric_of

        return metric_of(f"{self.direction}_{self.parts['kind']}{stratum}")

"""The mean and the median rank of a query's best positive, from 1; ties count as expected under random order."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.rank_metric import ANY_RETRIEVAL, DIRECTION, RankMetric, in_directions
from goldieval.metrics.units import RANK

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues
    from goldieval.metrics.ranks import Ranks


class MeanRank(RankMetric):
    """Mean rank of one direction."""

    families = ANY_RETRIEVAL
    pattern = f"{DIRECTION}_mean_rank"
    label_format = "{direction} mean rank"
    unit = RANK
    lower_is_better = True
    place = 2
    in_summary = False

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return its directions."""
        return in_directions(["mean_rank"], params.directions)

    def per_query(self, ranks: Ranks) -> np.ndarray:
        return ranks.expected()

    def of_random_order(self, ranks: Ranks) -> float | None:
        return float(ranks.chance_rank().mean())

    def has_ceiling(self, headline: str) -> bool:
        return False

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the expected rank of each query; without the size of the gallery there is no highest one."""
        found = super().values(columns)
        if found is None:
            return None
        highest = float(columns["gallery"][found.rows][0]) if "gallery" in columns else math.inf
        return replace(found, bounds=(1.0, highest))

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models; ranks are no shares, so that the interval of the difference is Student's."""
        from goldieval.metrics.paired import paired_means

        return paired_means(a.values, b.values, a.groups, shares=False)


class MedianRank(MeanRank):
    """Median rank of one direction. There is no test of two medians."""

    pattern = f"{DIRECTION}_median_rank"
    label_format = "{direction} median rank"
    place = 3
    comparable = False
    has_minimum_detectable_difference = False

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return its directions."""
        return in_directions(["median_rank"], params.directions)

    def of_random_order(self, ranks: Ranks) -> float | None:
        return None

    def score(self, values: QueryValues) -> float:
        """Return the median."""
        import numpy as np

        return float(np.median(values.values))

    def interval(self, values: QueryValues) -> Interval:
        """Return the median with the percentile interval of a bootstrap of clusters."""
        from goldieval.metrics.clustered_intervals import clustered_median

        return clustered_median(values.values, values.groups, values.bounds)

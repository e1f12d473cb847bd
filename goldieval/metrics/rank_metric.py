"""The base of metrics over the rank of a query's best positive, such as recall at k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.query_values import Columns, QueryValues
    from goldieval.metrics.ranks import Ranks

DIRECTIONS = ("t2i", "i2t")
DIRECTION = "(?P<direction>t2i|i2t)"


def both_directions(kinds: Sequence[str]) -> list[str]:
    """Return the names of metrics text to image and image to text.

    >>> both_directions(["r1", "r5"])
    ['t2i_r1', 't2i_r5', 'i2t_r1', 'i2t_r5']
    """
    return [f"{direction}_{kind}" for direction in DIRECTIONS for kind in kinds]


class RankMetric(Metric):
    """A mean over the queries of one direction of something that follows from ranks; ``per_query`` says what."""

    families = ("retrieval",)

    @property
    def direction(self) -> str:
        """``t2i`` (text to image) or ``i2t``."""
        return self.parts["direction"]

    @property
    def position(self) -> tuple[int, ...]:
        return (DIRECTIONS.index(self.direction), self.place)

    @property
    def place(self) -> int:
        """Where it stands among the metrics of its direction."""
        return 9

    def per_query(self, ranks: Ranks) -> np.ndarray:
        """Return the value of each query, (queries,)."""
        raise NotImplementedError

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the values of the queries of its direction; the outcomes do not say what stratum a query is of."""
        from goldieval.metrics.query_values import ranks_of, select

        if "rank_low" not in columns or self.stratum:
            return None
        rows = (columns["direction"] == self.direction).nonzero()[0]
        return select(columns, self.per_query(ranks_of(columns).of(rows)), rows)

"""The base of metrics over the rank of a query's best positive, such as recall at k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.query_values import Columns, QueryValues
    from goldieval.metrics.ranks import Ranks

DIRECTIONS = ("t2i", "i2t", "i2i")
DIRECTION = f"(?P<direction>{'|'.join(DIRECTIONS)})"
ANY_RETRIEVAL = ("retrieval", "image_retrieval")


def both_directions(kinds: Sequence[str]) -> list[str]:
    """Return the names of metrics text to image and image to text.

    >>> both_directions(["r1", "r5"])
    ['t2i_r1', 't2i_r5', 'i2t_r1', 'i2t_r5']
    """
    return in_directions(kinds, ("t2i", "i2t"))


def in_directions(kinds: Sequence[str], directions: Sequence[str]) -> list[str]:
    """Return the names of metrics in some directions.

    >>> in_directions(["r1", "mrr"], ["i2i"])
    ['i2i_r1', 'i2i_mrr']
    """
    return [f"{direction}_{kind}" for direction in directions for kind in kinds]


def of_strata(kinds: Sequence[str], params: Any) -> list[str]:
    """Return the names of metrics of groups of queries: text to image of strata, both directions of each language.

    Args:
        kinds: kinds of metrics, such as ``r1``.
        params: the card's parameters.
    """
    of_texts = [f"t2i_{kind}_{stratum}" for stratum in params.strata for kind in kinds]
    languages = params.languages if len(params.languages) > 1 else []
    return of_texts + both_directions([f"{kind}_{language}" for language in languages for kind in kinds])


class RankMetric(Metric):
    """A mean over the queries of one direction of something that follows from ranks; ``per_query`` says what."""

    families: ClassVar[tuple[str, ...]] = ("retrieval",)

    @property
    def direction(self) -> str:
        """``t2i`` (text to image), ``i2t`` or ``i2i``."""
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
        """Return the values of the queries of its direction and stratum."""
        from goldieval.metrics.query_values import ranks_of, select

        rows = self._rows(columns)
        return None if rows is None else select(columns, self.per_query(ranks_of(columns, rows)), rows)

    def guess(self, columns: Columns) -> float | None:
        """Return what a random order of the gallery gets."""
        from goldieval.metrics.query_values import ranks_of

        rows = self._rows(columns)
        return None if rows is None else self.of_random_order(ranks_of(columns, rows))

    def of_random_order(self, ranks: Ranks) -> float | None:
        """Return the expected score of a random order of the gallery."""
        return None

    def _rows(self, columns: Columns) -> np.ndarray | None:
        from goldieval.metrics.query_values import rows_of_stratum

        if "rank_low" not in columns or (rows := rows_of_stratum(columns, self.stratum)) is None:
            return None
        of_direction: np.ndarray = rows[columns["direction"][rows] == self.direction]
        return of_direction

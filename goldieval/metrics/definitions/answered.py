"""Share of questions with an answer, of data whose true answers only a benchmark's server has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.query_values import Columns, QueryValues


class Answered(Metric):
    """Share of questions whose answer is not empty: not a score, and models are not compared by it."""

    pattern = "answered"
    families = ("vqa",)
    label_format = "answered"
    comparable = False
    has_minimum_detectable_difference = False
    position = (8,)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the one name, where a file for a server is written."""
        return [cls.pattern] if params.submission else []

    def values(self, columns: Columns) -> QueryValues | None:
        """Return 1 for an answer, 0 for an empty one."""
        from goldieval.metrics.query_values import select

        return select(columns, (columns["given"] != "").astype(float)) if "given" in columns else None

    def interval(self, values: QueryValues) -> Interval:
        """Return the share without an interval: it describes these answers and no others."""
        from goldieval.metrics.intervals import Interval

        count = len(values.values)
        return Interval(self.score(values), None, None, count, count, "none: a count of answers")

    def has_ceiling(self, headline: str) -> bool:
        """Return False: that of a card is one of a score."""
        return False

"""Jaccard index of an association task: the right images and as many of those that score highest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    from goldieval.metrics.query_values import Columns, QueryValues


class Jaccard(Metric):
    """Mean over queries of the Jaccard index, of all queries or of those of one stratum."""

    pattern = "jaccard(_(?P<stratum>.+))?"
    families = ("association",)
    label_format = "Jaccard"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the whole and every stratum."""
        return ["jaccard", *(f"jaccard_{stratum}" for stratum in params.strata)]

    @property
    def position(self) -> tuple[int, ...]:
        return (0,)

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the index of each query of its stratum."""
        from goldieval.metrics.query_values import rows_of_stratum, select

        rows = rows_of_stratum(columns, self.stratum) if "jaccard" in columns else None
        return None if rows is None else select(columns, columns["jaccard"][rows], rows)

    def guess(self, columns: Columns) -> float | None:
        """Return the mean of what a guess gets on each query."""
        from goldieval.metrics.query_values import rows_of_stratum

        rows = rows_of_stratum(columns, self.stratum)
        return float(columns["chance"][rows].mean()) if rows is not None and "chance" in columns else None

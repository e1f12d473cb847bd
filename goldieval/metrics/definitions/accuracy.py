"""Accuracy of choices and answers, of all queries and of single strata, and its mean over strata or groups."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.mean_of_strata import MeanOfStrata
from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class Accuracy(Metric):
    """Share of queries that are answered right; a tie with the true candidate shares the hit."""

    pattern = "accuracy(?!_plus(_|$))(_(?P<stratum>.+))?"
    families = ("choice", "regions", "vqa")
    label_format = "accuracy"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the whole and every stratum."""
        return ["accuracy", *(f"accuracy_{stratum}" for stratum in params.strata)]

    @property
    def position(self) -> tuple[int, ...]:
        return (0,)

    @property
    def is_proportion(self) -> bool:
        return not self.stratum

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits in 0..1 of the queries of its stratum."""
        from goldieval.metrics.query_values import rows_of_stratum, select

        hits, rows = hits_of(columns), rows_of_stratum(columns, self.stratum)
        return None if hits is None or rows is None else select(columns, hits[rows], rows)

    def guess(self, columns: Columns) -> float | None:
        """Return the mean of what a guess gets on each query."""
        from goldieval.metrics.query_values import rows_of_stratum

        rows = rows_of_stratum(columns, self.stratum)
        return float(columns["chance"][rows].mean()) if rows is not None and "chance" in columns else None

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by McNemar's exact test, or by the bootstrap where ties share hits."""
        from goldieval.metrics.paired import paired_hits

        return paired_hits(a.values, b.values, a.groups)


def hits_of(columns: Columns) -> np.ndarray | None:
    """Return the probability that each answer or choice is right, (queries,)."""
    from goldieval.metrics.query_values import ranks_of

    if "right" in columns:
        return columns["right"].astype(float)
    return ranks_of(columns).hits(1) if "rank_low" in columns else None


class MeanAccuracy(MeanOfStrata):
    """Mean of the accuracies of the groups, or of the strata, a small one counting as much as a large one."""

    pattern = "mean_accuracy"
    families = ("choice",)
    label_format = "accuracy, mean of groups"
    position = (1,)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the one name, where there are several strata, or the mean over groups is wanted."""
        return [cls.pattern] if len(params.strata) > 1 or params.mean_of_groups else []

    def hits(self, columns: Columns) -> np.ndarray | None:
        """Return what is averaged, (queries,)."""
        return hits_of(columns)

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits with the group of each; a query of several strata is there several times."""
        import numpy as np

        from goldieval.metrics.query_values import select

        hits, strata = self.hits(columns), groups_of(columns)
        if hits is None or len(strata) < 2:
            return None
        rows = np.concatenate(strata)
        numbers = np.repeat(np.arange(len(strata)), [len(each) for each in strata])
        return replace(select(columns, hits[rows], rows), strata=numbers)

    def guess(self, columns: Columns) -> float | None:
        """Return the mean over groups of what a guess gets."""
        import numpy as np

        return float(np.mean([columns["chance"][rows].mean() for rows in groups_of(columns)]))


def groups_of(columns: Columns) -> list[np.ndarray]:
    """Return the rows of each group that counts, or of each stratum, that has any."""
    import numpy as np

    from goldieval.metrics.query_values import rows_of_stratum, strata_of

    if "group" in columns:
        names = np.unique(columns["group"].astype(str))
        return [np.flatnonzero(columns["group"] == name) for name in names if name]
    return [rows for name in strata_of(columns) if (rows := rows_of_stratum(columns, name)) is not None]

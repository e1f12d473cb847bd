"""Accuracy of choices and answers, of all queries and of single strata, and its mean over the strata."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class Accuracy(Metric):
    """Share of queries that are answered right; a tie with the true candidate shares the hit."""

    pattern = "accuracy(_(?P<stratum>.+))?"
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


class MeanAccuracy(Metric):
    """Mean of the accuracies of the strata, a small one counting as much as a large one."""

    pattern = "mean_accuracy"
    families = ("choice",)
    label_format = "accuracy, mean of groups"
    position = (1,)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the one name, where there are several strata."""
        return [cls.pattern] if len(params.strata) > 1 else []

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits with the stratum of each; a query of several strata is there several times."""
        import numpy as np

        from goldieval.metrics.query_values import select

        hits, strata = hits_of(columns), _strata(columns)
        if hits is None or len(strata) < 2:
            return None
        rows = np.concatenate(strata)
        numbers = np.repeat(np.arange(len(strata)), [len(each) for each in strata])
        return replace(select(columns, hits[rows], rows), strata=numbers)

    def guess(self, columns: Columns) -> float | None:
        """Return the mean over strata of what a guess gets."""
        import numpy as np

        return float(np.mean([columns["chance"][rows].mean() for rows in _strata(columns)]))

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean over strata with the jackknife interval over clusters."""
        from goldieval.metrics.clustered_intervals import clustered_mean_of_groups

        assert values.strata is not None
        return clustered_mean_of_groups(values.values, values.strata, values.groups)


def _strata(columns: Columns) -> list[np.ndarray]:
    """Return the rows of each stratum that has any."""
    from goldieval.metrics.query_values import rows_of_stratum

    names = [name.partition(":")[2] for name in columns if name.startswith("stratum:")]
    return [rows for name in names if (rows := rows_of_stratum(columns, name)) is not None]

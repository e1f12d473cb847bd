"""Accuracy of choices and answers, of all queries and of single strata, and its mean over the strata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    from goldieval.metrics.paired import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class Accuracy(Metric):
    """Share of queries that are answered right; a tie with the true candidate shares the hit."""

    pattern = "accuracy(_(?P<stratum>.+))?"
    families = ("choice", "vqa")
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
        """Return hits in 0..1; the outcomes do not say what stratum a query is of."""
        from goldieval.metrics.query_values import ranks_of, select

        if self.stratum or not {"right", "rank_low"} & set(columns):
            return None
        right = columns["right"].astype(float) if "right" in columns else ranks_of(columns).hits(1)
        return select(columns, right)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by McNemar's exact test, or by the bootstrap where ties share hits."""
        from goldieval.metrics.paired import paired_hits

        return paired_hits(a.values, b.values, a.groups)


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

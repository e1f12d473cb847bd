"""Accuracy of boxes as a mean over classes: every class counts the same, whatever its number of boxes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class MeanOverClasses(Metric):
    """Mean over the classes that occur of the share of their boxes that are named right; a tie shares the hit."""

    pattern = "mean_class_accuracy(_(?P<stratum>.+))?"
    families = ("regions",)
    label_format = "accuracy, mean of classes"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the whole and every stratum, where boxes have classes."""
        return [
            f"mean_class_accuracy{each}" for each in ("", *(f"_{name}" for name in params.strata)) if params.prompts
        ]

    @property
    def position(self) -> tuple[int, ...]:
        return (1,)

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits in 0..1 of the boxes of its stratum, with the class of each."""
        from goldieval.metrics.query_values import ranks_of, rows_of_stratum, select

        rows = rows_of_stratum(columns, self.stratum)
        if rows is None or not {"rank_low", "label"} <= set(columns):
            return None
        hits = ranks_of(columns).hits(1)[rows]
        return replace(select(columns, hits, rows), strata=columns["label"][rows])

    def guess(self, columns: Columns) -> float | None:
        """Return one in the number of classes."""
        return float(columns["chance"].mean()) if "chance" in columns else None

    def score(self, values: QueryValues) -> float:
        """Return the mean over classes."""
        from goldieval.metrics.clustered_classes import class_weights

        return float((values.values * class_weights(_labels(values))).mean())

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean over classes with the jackknife interval over pictures."""
        from goldieval.metrics.clustered_classes import clustered_mean_of_classes

        return clustered_mean_of_classes(values.values, _labels(values), values.groups)

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return by how much each picture moves the score, the number of boxes of each class being fixed."""
        from goldieval.metrics.clustered_classes import class_weights
        from goldieval.metrics.influence import by_cluster, of_mean

        return by_cluster(of_mean(values.values * class_weights(_labels(values))), values.groups)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by the paired bootstrap of pictures, the number of boxes of each class being fixed."""
        from goldieval.metrics.paired_classes import paired_mean_of_classes

        return paired_mean_of_classes(a.values, b.values, _labels(a), a.groups)


def _labels(values: QueryValues) -> np.ndarray:
    assert values.strata is not None
    return values.strata

"""Mean per-class recall of a classification: every class counts the same, whatever its number of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class MeanPerClassRecall(Metric):
    """Mean over the classes that occur of the share of images whose first class is the true one."""

    pattern = "mean_per_class_recall"
    families = ("probe", "zeroshot")
    label_format = "mean per class"
    position = (1,)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the one name, but none for several classifiers."""
        return [] if getattr(params, "shots", []) else [cls.pattern]

    def chance(self, counts: Mapping[str, int]) -> float | None:
        """Return one in the number of classes."""
        return 1 / counts["classes"] if "classes" in counts else None

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits, 0 or 1, grouped by label; with the labels as strata where images share a cluster."""
        from goldieval.metrics.query_values import select

        if not {"place", "label"} <= set(columns):
            return None
        values = select(columns, (columns["place"] < 1).astype(float))
        if "corruption" in columns:
            return replace(values, strata=columns["label"])
        return replace(values, groups=columns["label"])

    def score(self, values: QueryValues) -> float:
        """Return the mean over classes."""
        from goldieval.metrics.clustered_classes import class_weights
        from goldieval.metrics.paired_classes import mean_per_class_scores

        if values.strata is not None:
            return float((values.values * class_weights(values.strata)).mean())
        return mean_per_class_scores(values.values, values.values, values.groups)[0]

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean over classes with the interval by the variance within classes, or over clusters."""
        from goldieval.metrics.clustered_classes import clustered_mean_of_classes
        from goldieval.metrics.intervals import mean_per_class

        if values.strata is not None:
            return clustered_mean_of_classes(values.values, values.strata, values.groups)
        return mean_per_class(values.values, values.groups)

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return by how much each image, or cluster of images, moves the score."""
        from goldieval.metrics.clustered_classes import class_weights
        from goldieval.metrics.influence import by_cluster, of_mean, of_mean_per_class

        if values.strata is not None:
            return by_cluster(of_mean(values.values * class_weights(values.strata)), values.groups)
        return of_mean_per_class(values.values, values.groups)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by the paired bootstrap within classes, or of clusters."""
        from goldieval.metrics.clustered_classes import class_weights
        from goldieval.metrics.paired import paired_means
        from goldieval.metrics.paired_classes import paired_mean_per_class

        if a.strata is not None:
            weights = class_weights(a.strata)
            return paired_means(a.values * weights, b.values * weights, a.groups, shares=False)
        return paired_mean_per_class(a.values, b.values, a.groups)

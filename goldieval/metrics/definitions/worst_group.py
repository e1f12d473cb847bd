"""Worst-group accuracy: the lowest accuracy of the groups of images, such as regions, that a card lists."""

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


class WorstGroup(Metric):
    """Lowest top-k accuracy of a group. Images of no listed group do not count."""

    pattern = "worst_group_acc(?P<k>[0-9]+)"
    families = ("zeroshot",)
    label_format = "top-{k} of the worst group"
    error_follows_size = False

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return top-1 and top-5, where there are several groups."""
        return ["worst_group_acc1", "worst_group_acc5"] if len(getattr(params, "groups", [])) > 1 else []

    @property
    def k(self) -> int:
        """Number of classes among which the true one is looked for."""
        return int(self.parts["k"])

    @property
    def position(self) -> tuple[int, ...]:
        return (2, self.k)

    def chance(self, counts: Mapping[str, int]) -> float | None:
        """Return k in the number of classes: what each group is expected to get; their lowest is a little below."""
        return min(1.0, self.k / counts["classes"]) if "classes" in counts else None

    def measurable(self, counts: Mapping[str, int]) -> bool:
        """Return whether there are more than k classes; top-1 is always measured."""
        return self.k == 1 or counts["classes"] > self.k

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits, 0 or 1, with the number of the group of each image that has one."""
        import numpy as np

        from goldieval.metrics.query_values import select

        if not {"place", "group"} <= set(columns):
            return None
        rows = np.flatnonzero(columns["group"] != "")
        hits = (columns["place"][rows] < self.k).astype(float)
        groups = np.unique(columns["group"][rows].astype(str), return_inverse=True)[1]
        return replace(select(columns, hits, rows), groups=groups)

    def score(self, values: QueryValues) -> float:
        """Return the lowest share of hits."""
        from goldieval.metrics.worst_group import worst_group

        return worst_group(values.values, values.groups)

    def interval(self, values: QueryValues) -> Interval:
        """Return the lowest share with bounds that hold whichever group is truly the lowest."""
        from goldieval.metrics.worst_group import worst_group_interval

        return worst_group_interval(values.values, values.groups)

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return by how much each image moves the score: only those of the lowest group do."""
        from goldieval.metrics.worst_group import influence_of_worst_group

        return influence_of_worst_group(values.values, values.groups)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare the lowest groups of two models, which may differ, by the paired bootstrap within groups."""
        from goldieval.metrics.worst_group import paired_worst_group

        return paired_worst_group(a.values, b.values, a.groups)

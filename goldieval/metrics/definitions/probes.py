"""Accuracy of probes with several settings: other numbers of neighbours, and few training images per class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.definitions.top_k import TopK
from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class NeighbourTopK(TopK):
    """Top-k accuracy of the vote of another number of neighbours than that of ``acc1``."""

    pattern = "acc(?P<k>[15])_knn(?P<neighbours>[0-9]+)"
    families = ("probe",)
    label_format = "top-{k}, {neighbours} neighbours"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return top-1 and top-5 of every further number of neighbours."""
        further = params.neighbours[1:] if params.method == "knn" else []
        return [f"acc{k}_knn{count}" for k in (1, 5) for count in further]

    @property
    def position(self) -> tuple[int, ...]:
        return (2, self.k)

    @property
    def in_summary(self) -> bool:
        return self.k == 1

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits, 0 or 1."""
        column = f"place_knn{self.parts['neighbours']}"
        return super().values({**columns, "place": columns[column]}) if column in columns else None


class FewShotAccuracy(Metric):
    """Mean top-1 accuracy of classifiers, each fitted to another sample of so many training images per class.

    The outcomes hold a column ``place_<shots>shot_<seed>`` for each of them.
    """

    pattern = "acc1_(?P<shots>[0-9]+)shot"
    families = ("probe",)
    label_format = "top-1, {shots} per class"
    position = (0,)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return one name for each number of training images per class."""
        return [f"acc1_{shots}shot" for shots in params.shots]

    def chance(self, counts: Mapping[str, int]) -> float | None:
        """Return one in the number of classes."""
        return 1 / counts["classes"] if "classes" in counts else None

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the share of classifiers that are right, per image, and the hits of each classifier."""
        import numpy as np

        from goldieval.metrics.query_values import select

        names = [name for name in columns if name.startswith(f"place_{self.parts['shots']}shot_")]
        if not names:
            return None
        hits = np.stack([columns[name] < 1 for name in names], axis=1).astype(float)
        return replace(select(columns, hits.mean(axis=1)), repeats=hits)

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean with an interval over images and training samples."""
        from goldieval.metrics.crossed import crossed_share

        assert values.repeats is not None
        return crossed_share(values.repeats)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models; the training samples of both are the same."""
        from goldieval.metrics.crossed import paired_crossed

        assert a.repeats is not None and b.repeats is not None
        return paired_crossed(a.repeats, b.repeats)

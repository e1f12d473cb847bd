"""Mean average precision of a classification with several labels per image, as clip-benchmark computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class MeanAveragePrecisionOverClasses(Metric):
    """Mean over the classes that occur of the average precision of the images ranked by their score for the class."""

    pattern = "mean_average_precision"
    families = ("multilabel",)
    label_format = "mAP over classes"
    position = (0,)

    def guess(self, columns: Columns) -> float | None:
        """Return what random orders get."""
        from goldieval.metrics.multilabel import precision_of_guesses

        return precision_of_guesses(_stacked(columns, "shown") > 0) if "shown" in columns else None

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the scores of each image, and whether it shows each class, (images, 2 x classes)."""
        import numpy as np

        from goldieval.metrics.query_values import select

        if not {"scores", "shown"} <= set(columns):
            return None
        return select(columns, np.hstack([_stacked(columns, name) for name in ("scores", "shown")]))

    def score(self, values: QueryValues) -> float:
        """Return the mean over classes."""
        from goldieval.metrics.multilabel import mean_average_precision

        return mean_average_precision(*_parts(values))

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean over classes with the jackknife interval over images."""
        from goldieval.metrics.multilabel import interval_of_precision

        return interval_of_precision(*_parts(values))

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return by how much each image moves the score."""
        from goldieval.metrics.influence import by_cluster
        from goldieval.metrics.multilabel import influence_on_precision

        return by_cluster(influence_on_precision(*_parts(values)), values.groups)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by the paired bootstrap of images."""
        from goldieval.metrics.multilabel import paired_precision

        scores, shown = _parts(a)
        return paired_precision(scores, _parts(b)[0], shown)


def _parts(values: QueryValues) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    scores, shown = np.hsplit(values.values, 2)
    return scores, shown > 0


def _stacked(columns: Columns, name: str) -> np.ndarray:
    import numpy as np

    return np.array([np.asarray(row, dtype=float) for row in columns[name]])

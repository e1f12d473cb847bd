"""Scores of segmentations, from areas summed over the set: means over classes, and the share of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class SegmentationMetric(Metric):
    """A score of areas that are summed over the images."""

    families = ("segmentation", "dense-probe")

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the name of the metric, unless something else than classes is predicted."""
        return [cls.pattern] if getattr(params, "target", "classes") == "classes" else []

    def guess(self, columns: Columns) -> float | None:
        """Return what maps get that do not depend on the image."""
        from goldieval.metrics.miou import chance_scores

        return chance_scores(_stacked(columns, "labelled").sum(axis=0))[self.pattern]

    def has_ceiling(self, headline: str) -> bool:
        return self.name == headline


class MeanIoU(SegmentationMetric):
    """Mean over classes of intersection over union."""

    pattern = "miou"
    label_format = "mIoU"
    position = (0,)

    def values(self, columns: Columns) -> QueryValues | None:
        """Return intersections and unions of each image, (images, 2 x classes)."""
        import numpy as np

        from goldieval.metrics.query_values import QueryValues

        if not {"intersection", "union"} <= set(columns):
            return None
        areas = np.hstack([_stacked(columns, name) for name in ("intersection", "union")])
        images = (_stacked(columns, "labelled") > 0).sum(axis=0) if "labelled" in columns else None
        rows, repeats = np.arange(len(areas)), _by_seed(columns, ("intersection", "union"))
        ids, clusters = columns["sample_id"], columns["cluster_id"]
        return QueryValues(ids, areas, clusters, rows, images_per_class=images, repeats=repeats)

    def score(self, values: QueryValues) -> float:
        """Return the mean over classes of the summed areas; of several seeds, the mean of theirs."""
        from goldieval.metrics.crossed_sums import scores_of
        from goldieval.metrics.miou import mean_iou_of_sums

        if values.repeats is not None:
            return float(scores_of(mean_iou_of_sums, values.repeats).mean())
        return float(mean_iou_of_sums(values.values.sum(axis=0, keepdims=True).astype(float))[0])

    def interval(self, values: QueryValues) -> Interval:
        """Return the score with the jackknife interval over images, or none where too many classes are rare."""
        from goldieval.metrics.miou import mean_iou_of_sums

        return _interval(mean_iou_of_sums, values, values.images_per_class)

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return by how much each image moves the score."""
        import numpy as np

        from goldieval.metrics.influence import of_mean_iou

        if values.repeats is not None:
            seeds = np.moveaxis(values.repeats.astype(float), 1, 0)
            moved: np.ndarray = np.stack([of_mean_iou(*np.hsplit(areas, 2)) for areas in seeds]).mean(axis=0)
            return moved
        return of_mean_iou(*np.hsplit(values.values.astype(float), 2))

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by the paired bootstrap of images; of models with several seeds, of seeds as well."""
        from goldieval.metrics.crossed_sums import paired_crossed_sums
        from goldieval.metrics.miou import Doubt, mean_iou_of_sums, unsure
        from goldieval.metrics.paired import paired_sums

        doubt = Doubt() if a.images_per_class is None else unsure(a.images_per_class)
        if a.repeats is not None and b.repeats is not None:
            seeds = min(a.repeats.shape[1], b.repeats.shape[1])
            return paired_crossed_sums(a.repeats[:, :seeds], b.repeats[:, :seeds], mean_iou_of_sums, doubt)
        return paired_sums(a.values, b.values, mean_iou_of_sums, doubt=doubt)


class MeanClassAccuracy(SegmentationMetric):
    """Mean over classes of the share of labelled pixels that were found. Models are compared by mean IoU alone."""

    pattern = "macc"
    label_format = "mean accuracy"
    position = (1,)
    comparable = False

    def values(self, columns: Columns) -> QueryValues | None:
        """Return intersections and labelled pixels of each image, (images, 2 x classes)."""
        import numpy as np

        from goldieval.metrics.query_values import QueryValues

        if not {"intersection", "labelled"} <= set(columns):
            return None
        labelled = _stacked(columns, "labelled")
        areas, rows = np.hstack([_stacked(columns, "intersection"), labelled]), np.arange(len(labelled))
        images, repeats = (labelled > 0).sum(axis=0), _by_seed(columns, ("intersection", "labelled"))
        ids, clusters = columns["sample_id"], columns["cluster_id"]
        return QueryValues(ids, areas, clusters, rows, images_per_class=images, repeats=repeats)

    def score(self, values: QueryValues) -> float:
        """Return the score of the summed areas."""
        return self.interval(values).value

    def interval(self, values: QueryValues) -> Interval:
        """Return the score with the jackknife interval over images, or none where too many classes are rare."""
        from goldieval.metrics.miou import mean_accuracy_of_sums

        return _interval(mean_accuracy_of_sums, values, values.images_per_class)


class PixelAccuracy(MeanClassAccuracy):
    """Share of labelled pixels that were found."""

    pattern = "aacc"
    label_format = "pixel accuracy"
    position = (2,)

    def interval(self, values: QueryValues) -> Interval:
        """Return the score with the jackknife interval over images."""
        from goldieval.metrics.miou import pixel_accuracy_of_sums

        return _interval(pixel_accuracy_of_sums, values)


def _stacked(columns: Columns, name: str) -> np.ndarray:
    """Return a column of lists as an array, (images, classes)."""
    import numpy as np

    return np.stack(list(columns[name]))


def _by_seed(columns: Columns, names: tuple[str, str]) -> np.ndarray | None:
    """Return two kinds of areas of each image by each head, (images, seeds, 2 x classes); None where there is one head.

    The columns of the first head have no number, those of the others end with it.
    """
    import numpy as np

    ends = [""]
    while all(f"{name}_{len(ends)}" in columns for name in names):
        ends.append(f"_{len(ends)}")
    if len(ends) == 1:
        return None
    return np.stack([np.hstack([_stacked(columns, name + end) for name in names]) for end in ends], axis=1)


def _interval(
    score: Callable[[np.ndarray], np.ndarray], values: QueryValues, images_per_class: np.ndarray | None = None
) -> Interval:
    """Return the interval over images; of several heads, over images and seeds."""
    from goldieval.metrics.crossed_sums import crossed_interval
    from goldieval.metrics.miou import interval_of_sums

    if values.repeats is None:
        return interval_of_sums(score, values.values, images_per_class)
    return crossed_interval(score, values.repeats, images_per_class)

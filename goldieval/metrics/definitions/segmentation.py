"""Scores of segmentations, from areas summed over the set: means over classes, and the share of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class SegmentationMetric(Metric):
    """A score of areas that are summed over the images."""

    families = ("segmentation",)

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
        rows = np.arange(len(areas))
        return QueryValues(columns["sample_id"], areas, columns["cluster_id"], rows, images_per_class=images)

    def score(self, values: QueryValues) -> float:
        """Return the mean over classes of the summed areas."""
        from goldieval.metrics.miou import mean_iou_of_sums

        return float(mean_iou_of_sums(values.values.sum(axis=0, keepdims=True).astype(float))[0])

    def interval(self, values: QueryValues) -> Interval:
        """Return the score with the jackknife interval over images, or none where too many classes are rare."""
        from goldieval.metrics.miou import interval_of_sums, mean_iou_of_sums

        return interval_of_sums(mean_iou_of_sums, values.values, values.images_per_class)

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return by how much each image moves the score."""
        import numpy as np

        from goldieval.metrics.influence import of_mean_iou

        return of_mean_iou(*np.hsplit(values.values.astype(float), 2))

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by the paired bootstrap of images."""
        from goldieval.metrics.miou import Doubt, mean_iou_of_sums, unsure
        from goldieval.metrics.paired import paired_sums

        doubt = Doubt() if a.images_per_class is None else unsure(a.images_per_class)
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
        images = (labelled > 0).sum(axis=0)
        return QueryValues(columns["sample_id"], areas, columns["cluster_id"], rows, images_per_class=images)

    def score(self, values: QueryValues) -> float:
        """Return the score of the summed areas."""
        return self.interval(values).value

    def interval(self, values: QueryValues) -> Interval:
        """Return the score with the jackknife interval over images, or none where too many classes are rare."""
        from goldieval.metrics.miou import interval_of_sums, mean_accuracy_of_sums

        return interval_of_sums(mean_accuracy_of_sums, values.values, values.images_per_class)


class PixelAccuracy(MeanClassAccuracy):
    """Share of labelled pixels that were found."""

    pattern = "aacc"
    label_format = "pixel accuracy"
    position = (2,)

    def interval(self, values: QueryValues) -> Interval:
        """Return the score with the jackknife interval over images."""
        from goldieval.metrics.miou import interval_of_sums, pixel_accuracy_of_sums

        return interval_of_sums(pixel_accuracy_of_sums, values.values)


def _stacked(columns: Columns, name: str) -> np.ndarray:
    """Return a column of lists as an array, (images, classes)."""
    import numpy as np

    return np.stack(list(columns[name]))

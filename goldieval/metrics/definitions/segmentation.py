"""Scores of segmentations, from areas summed over the set: means over classes, and the share of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class MeanIoU(Metric):
    """Mean over classes of intersection over union."""

    pattern = "miou"
    families = ("segmentation",)
    label_format = "mIoU"
    position = (0,)

    def values(self, columns: Columns) -> QueryValues | None:
        """Return intersections and unions of each image, (images, 2 x classes)."""
        import numpy as np

        from goldieval.metrics.query_values import QueryValues

        if not {"intersection", "union"} <= set(columns):
            return None
        areas = np.hstack([np.stack(list(columns[name])) for name in ("intersection", "union")])
        images = (np.stack(list(columns["labelled"])) > 0).sum(axis=0) if "labelled" in columns else None
        rows = np.arange(len(areas))
        return QueryValues(columns["sample_id"], areas, columns["cluster_id"], rows, images_per_class=images)

    def score(self, values: QueryValues) -> float:
        """Return the mean over classes of the summed areas."""
        from goldieval.metrics.miou import mean_iou_of_sums

        return float(mean_iou_of_sums(values.values.sum(axis=0, keepdims=True).astype(float))[0])

    def interval(self, values: QueryValues) -> Interval:
        """Return the score with the jackknife interval over images, or none where too many classes are rare."""
        from goldieval.metrics.miou import Doubt, interval_of_images, mean_iou_of_sums, unsure

        areas = values.values
        without = mean_iou_of_sums(areas.sum(axis=0).astype(float) - areas)
        doubt = Doubt() if values.images_per_class is None else unsure(values.images_per_class)
        return interval_of_images(self.score(values), without, doubt)

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


class MeanClassAccuracy(Metric):
    """Mean over classes of the share of labelled pixels that were found."""

    pattern = "macc"
    families = ("segmentation",)
    label_format = "mean accuracy"
    position = (1,)


class PixelAccuracy(Metric):
    """Share of labelled pixels that were found."""

    pattern = "aacc"
    families = ("segmentation",)
    label_format = "pixel accuracy"
    position = (2,)

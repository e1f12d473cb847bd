"""Macro F1 of a classification: the mean over the classes that occur of F1, as WILDS computes it for iWildCam."""

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


class MacroF1(Metric):
    """Mean over classes of the harmonic mean of precision and recall.

    A class without images is left out of the mean; to predict it is still a miss of the true class.
    """

    pattern = "macro_f1"
    families = ("zeroshot",)
    label_format = "macro F1"
    error_follows_size = False
    position = (1, 1)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the one name, where the card asks for it."""
        return [cls.pattern] if getattr(params, "macro_f1", False) else []

    def chance(self, counts: Mapping[str, int]) -> float | None:
        """Return what a guess gets whose classes are all as frequent: one in their number."""
        return 1 / counts["classes"] if "classes" in counts else None

    def guess(self, columns: Columns) -> float | None:
        """Return the expected score of uniform guesses, by the number of images of each class."""
        from goldieval.metrics.f1 import f1_of_guesses

        return f1_of_guesses(columns["label"], int(columns["classes"][0])) if "classes" in columns else None

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits, 0 or 1, grouped by label, with the predicted class of each image."""
        from goldieval.metrics.query_values import select

        if not {"prediction", "label"} <= set(columns):
            return None
        labels, predictions = columns["label"], columns["prediction"]
        found = select(columns, (labels == predictions).astype(float))
        return replace(found, groups=labels, predictions=predictions)

    def score(self, values: QueryValues) -> float:
        """Return the mean over classes."""
        from goldieval.metrics.f1 import macro_f1

        return macro_f1(values.groups, _predictions(values))

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean over classes with the interval of its linear expansion."""
        from goldieval.metrics.f1 import macro_f1_interval

        return macro_f1_interval(values.groups, _predictions(values))

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return by how much each image moves the score."""
        from goldieval.metrics.f1 import influence_on_macro_f1

        return influence_on_macro_f1(values.groups, _predictions(values))

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by the paired bootstrap of images."""
        from goldieval.metrics.f1 import paired_macro_f1

        return paired_macro_f1(a.groups, _predictions(a), _predictions(b))


def _predictions(values: QueryValues) -> np.ndarray:
    assert values.predictions is not None
    return values.predictions

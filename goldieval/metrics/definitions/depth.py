"""Errors of estimated depth: means over pictures of each picture's error, for several heads that were trained.

The outcomes of a picture hold a list for each error, with one value per head, and under ``<error>_constant`` what the
mean depth of the training pictures gets as a prediction of every pixel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.metric import Metric
from goldieval.metrics.units import LOG10_ERROR, LOG_ERROR, METRES, RELATIVE_ERROR

if TYPE_CHECKING:
    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues

HEADS = "trained heads"
TEST = f"paired bootstrap of images and {HEADS}"


class DepthMetric(Metric):
    """An error of each picture; its score is the mean over pictures and heads."""

    families = ("dense-probe",)
    lower_is_better = True
    bounds = (0.0, math.inf)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the one name, where depth is what is estimated."""
        return [cls.pattern] if params.target == "depth" else []

    def has_ceiling(self, headline: str) -> bool:
        return self.name == headline

    def certainty(self, counts: Mapping[str, int]) -> str:
        return ""

    def guess(self, columns: Columns) -> float | None:
        """Return what one depth for all pixels of all pictures gets."""
        name = f"{self.name}_constant"
        return float(columns[name].mean()) if name in columns else None

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the mean over heads of each picture, and the value of each head."""
        import numpy as np

        from goldieval.metrics.query_values import select

        if self.name not in columns:
            return None
        by_head = np.stack([np.asarray(each, dtype=float) for each in columns[self.name]])
        return replace(select(columns, by_head.mean(axis=1)), repeats=by_head, bounds=self.bounds)

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean with an interval over pictures and heads."""
        from goldieval.metrics.crossed import crossed_mean

        assert values.repeats is not None
        return crossed_mean(values.repeats, values.bounds, HEADS)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models on the same pictures; each of their heads has the same seed as one of the other's."""
        from goldieval.metrics.crossed import paired_crossed

        assert a.repeats is not None and b.repeats is not None
        return paired_crossed(a.repeats, b.repeats, shares=self.bounds == (0.0, 1.0), test=TEST)


class RootMeanSquareError(DepthMetric):
    """Root of the mean squared error of a picture, in metres."""

    pattern = "rmse"
    label_format = "RMSE"
    unit = METRES
    position = (0,)


class AbsoluteRelativeError(DepthMetric):
    """Mean of the error of a pixel, divided by its true depth."""

    pattern = "abs_rel"
    label_format = "AbsRel"
    unit = RELATIVE_ERROR
    position = (1,)


class DepthAccuracy(DepthMetric):
    """Share of the pixels whose depth is right within a factor of 1.25, or of its second or third power."""

    pattern = "delta(?P<power>[123])"
    label_format = "δ{power}"
    lower_is_better = False
    bounds = (0.0, 1.0)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the three names, where depth is what is estimated."""
        return [f"delta{power}" for power in (1, 2, 3)] if params.target == "depth" else []

    @property
    def position(self) -> tuple[int, ...]:
        return (2, int(self.parts["power"]))

    @property
    def in_summary(self) -> bool:
        return self.parts["power"] == "1"


class Log10Error(DepthMetric):
    """Mean of the error of the logarithm to the base of 10."""

    pattern = "log10"
    label_format = "log10"
    unit = LOG10_ERROR
    position = (3,)


class ScaleInvariantError(DepthMetric):
    """Standard deviation of the error of the natural logarithm, times 100."""

    pattern = "silog"
    label_format = "SILog"
    unit = LOG_ERROR
    position = (4,)
    in_summary = False

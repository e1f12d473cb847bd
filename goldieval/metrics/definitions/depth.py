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
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


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

    def score(self, values: QueryValues) -> float:
        """Return the mean over heads of their means over pictures."""
        from goldieval.metrics.crossed_sums import scores_of

        return float(scores_of(mean_of_sums, _sums(values)).mean())

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean with an interval over pictures and heads."""
        from goldieval.metrics.crossed_sums import crossed_interval

        return crossed_interval(mean_of_sums, _sums(values), bounded=self.bounds == (0.0, 1.0))

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models on the same pictures; each of their heads has the same seed as one of the other's."""
        from goldieval.metrics.crossed_sums import paired_crossed_sums

        heads = min(_sums(each).shape[1] for each in (a, b))
        highest = self.bounds[1]
        return paired_crossed_sums(_sums(a)[:, :heads], _sums(b)[:, :heads], mean_of_sums, bounds=(-highest, highest))


class RootMeanSquareError(DepthMetric):
    """Root of the mean squared error of a picture, in metres."""

    pattern = "rmse"
    label_format = "RMSE (m)"
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


def mean_of_sums(sums: np.ndarray) -> np.ndarray:
    """Return the mean over pictures of an error, (draws,), from its sum and their number, (draws, 2)."""
    means: np.ndarray = sums[:, 0] / sums[:, 1]
    return means


def _sums(values: QueryValues) -> np.ndarray:
    """Return the error of each picture and head, and a 1 that counts the picture, (pictures, heads, 2)."""
    import numpy as np

    assert values.repeats is not None
    return np.stack([values.repeats, np.ones_like(values.repeats)], axis=2)

"""Calibration of a classification: binned errors, negative log-likelihood and Brier score of its probabilities.

The outcomes of an image hold ``confidence`` (probability of the predicted class), ``nll`` (negative logarithm of the
probability of the true class), ``brier`` and, where it was computed, ``classwise_gap``. They lack all of these where
the model has no temperature of its own, and the metrics are absent then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.metric import Metric
from goldieval.metrics.units import NATS, SQUARED_ERROR

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class CalibrationMetric(Metric):
    """A property of the probabilities of classes. The smaller, the better; not in the summary of a run."""

    families = ("probe", "zeroshot")
    lower_is_better = True
    in_summary = False
    has_minimum_detectable_difference = False
    column = ""  # of the outcomes, with one value per image
    bounds = (0.0, 1.0)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the one name, where the scores of a classifier are logits."""
        return [cls.pattern] if _has_logits(params) else []

    def has_ceiling(self, headline: str) -> bool:
        return False

    def certainty(self, counts: Mapping[str, int]) -> str:
        return ""

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the column of this metric."""
        from goldieval.metrics.query_values import select

        if self.column not in columns:
            return None
        return replace(select(columns, columns[self.column].astype(float)), bounds=self.bounds)

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean with the jackknife interval; without one for a single image."""
        from goldieval.metrics.clustered_intervals import clustered_means
        from goldieval.metrics.intervals import Interval

        if len(values.values) == 1:
            return Interval(float(values.values[0]), None, None, 1, 1, "none", "a single image")
        return clustered_means(values.values[:, None], values.groups, [values.bounds])[0]

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare means by the paired cluster bootstrap."""
        from goldieval.metrics.paired import paired_means

        return paired_means(a.values, b.values, a.groups, shares=False)


class NegativeLogLikelihood(CalibrationMetric):
    """Mean of -ln(probability of the true class)."""

    pattern = column = "nll"
    label_format = "negative log-likelihood"
    unit = NATS
    position = (5, 3)
    bounds = (0.0, 1000.0)  # more than twice the largest scale of logits in use


class Brier(CalibrationMetric):
    """Brier score (1950): sum over all classes of the squared difference of probability and truth, between 0 and 2."""

    pattern = column = "brier"
    label_format = "Brier score"
    unit = SQUARED_ERROR
    position = (5, 4)
    bounds = (0.0, 2.0)


class ClasswiseCalibrationError(CalibrationMetric):
    """Mean over all classes of the calibration error of their probability over all images, in bins of equal width.

    An image's column is the signed sum of its gaps, with the signs of the bins that they are in, so that the mean of
    the column is the error; its interval treats the signs as known.
    """

    pattern = "ece_classwise"
    column = "classwise_gap"
    label_format = "calibration error, classwise"
    position = (5, 2)
    bounds = (-1.0, 1.0)

    def interval(self, values: QueryValues) -> Interval:
        """Return the interval of the mean of the column, from 0 on: images may lie below 0, the error cannot."""
        found = super().interval(values)
        return found if found.low is None else replace(found, low=max(found.low, 0.0))


class ExpectedCalibrationError(CalibrationMetric):
    """Calibration error of the predicted class, in 15 bins of equal width (``ece``) or of equal mass (adaptive)."""

    pattern = "ece(_(?P<bins>adaptive))?"
    label_format = "calibration error"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return both binnings."""
        return ["ece", "ece_adaptive"] if _has_logits(params) else []

    @property
    def label(self) -> str:
        return "calibration error, adaptive" if self._adaptive else "calibration error (ECE)"

    @property
    def position(self) -> tuple[int, ...]:
        return (5, int(self._adaptive))

    @property
    def _adaptive(self) -> bool:
        return "bins" in self.parts

    def values(self, columns: Columns) -> QueryValues | None:
        """Return confidence minus hit of each image, with its bin as the stratum."""
        from goldieval.metrics.calibration import equal_mass_bins, equal_width_bins
        from goldieval.metrics.query_values import select

        if not {"confidence", "place"} <= set(columns):
            return None
        confidence = columns["confidence"].astype(float)
        bins = (equal_mass_bins if self._adaptive else equal_width_bins)(confidence)
        return replace(select(columns, confidence - (columns["place"] < 1)), strata=bins)

    def score(self, values: QueryValues) -> float:
        """Return the error."""
        from goldieval.metrics.calibration import binned_error

        assert values.strata is not None
        return binned_error(values.values, values.strata)

    def interval(self, values: QueryValues) -> Interval:
        """Return the error with its bootstrap interval."""
        from goldieval.metrics.calibration import error_interval

        assert values.strata is not None
        return error_interval(values.values, values.strata, values.groups)

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return the influence of each cluster on the error."""
        from goldieval.metrics.calibration import error_influence
        from goldieval.metrics.influence import by_cluster

        assert values.strata is not None
        return by_cluster(error_influence(values.values, values.strata), values.groups)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models, each in its own bins."""
        from goldieval.metrics.calibration import paired_errors

        assert a.strata is not None and b.strata is not None
        return paired_errors((a.values, a.strata), (b.values, b.strata), a.groups)


def _has_logits(params: Any) -> bool:
    """Return whether a zero-shot classification or a probe has probabilities by a softmax."""
    return getattr(params, "method", "logistic") in ("logistic", "lars")

"""Metrics that only papers and other harnesses report, in units of their own; no family measures them."""

from __future__ import annotations

from goldieval.metrics.metric import Metric
from goldieval.metrics.units import METRES, POINTS


class RootMeanSquareError(Metric):
    """Error of estimated depth."""

    pattern = "rmse"
    unit = METRES
    lower_is_better = True


class Gain(Metric):
    """A difference from a baseline, in percentage points."""

    pattern = "gain"
    unit = POINTS

"""Metrics that only papers and other harnesses report, in units of their own; no family measures them."""

from __future__ import annotations

from goldieval.metrics.metric import Metric
from goldieval.metrics.units import POINTS


class Gain(Metric):
    """A difference from a baseline, in percentage points."""

    pattern = "gain"
    unit = POINTS

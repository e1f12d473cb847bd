"""Labels and numbers of metrics as text."""

from __future__ import annotations

from goldieval.metrics.registry import metric_of
from goldieval.records.parts import MeasuredMetric


def label(name: str) -> str:
    """Return the label of a metric, given its name."""
    return metric_of(name).label


def value(name: str, number: float | None) -> str:
    """Return a number of a metric in its unit, with one digit after the decimal point; a dash for None."""
    return metric_of(name).text(number)


def interval(name: str, metric: MeasuredMetric) -> str:
    """Return the ends of an interval, followed by ``unreliable`` where it is; ``none`` where there is none."""
    if metric.low is None or metric.high is None:
        return "none"
    ends = f"{value(name, metric.low)}–{value(name, metric.high)}"
    return f"{ends} unreliable" if metric.unreliable else ends


def duration(seconds: float) -> str:
    """Return a duration as text.

    >>> duration(0.3), duration(75), duration(7300), duration(1e6)
    ('under 1 s', '1 min 15 s', '2 h 1 min', '11 days 13 h')
    """
    if seconds < 1:
        return "under 1 s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min {seconds % 60:.0f} s"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24:,} days {hours % 24} h"


def score_text(score: float) -> str:
    """Return a similarity as text.

    >>> score_text(0.28171), score_text(-0.0001)
    ('0.282', '0.000')
    """
    return f"{round(score, 3) + 0.0:.3f}"

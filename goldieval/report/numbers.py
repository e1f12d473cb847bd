"""Numbers and metric names as people read them: shares in percent, ranks as they are."""

from __future__ import annotations

from goldieval.metrics.registry import metric_of
from goldieval.records.parts import MeasuredMetric


def label(name: str) -> str:
    """Return a metric's name in the field's words."""
    return metric_of(name).label


def value(name: str, number: float | None) -> str:
    """Return one of its numbers as it is shown: a share in percent or a rank, with one digit; a dash for none."""
    return metric_of(name).text(number)


def interval(name: str, metric: MeasuredMetric) -> str:
    """Return the ends of an interval, marked where it may not hold, or that there is none."""
    if metric.low is None or metric.high is None:
        return "none"
    ends = f"{value(name, metric.low)}–{value(name, metric.high)}"
    return f"{ends} unreliable" if metric.unreliable else ends


def duration(seconds: float) -> str:
    """Return seconds as people say them.

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

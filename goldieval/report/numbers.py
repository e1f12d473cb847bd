"""Labels and numbers of metrics as text."""

from __future__ import annotations

from goldieval.metrics.registry import metric_of
from goldieval.metrics.units import PERCENT, Unit
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


def reference_text(number: float, unit: Unit = PERCENT, digits: int = 1) -> str:
    """Return a chance level or a ceiling; of a small one, two digits that ``digits`` would round away.

    >>> reference_text(0.1), reference_text(0.0002), reference_text(1.0)
    ('10.0', '0.02', '100.0')
    """
    scaled = unit.scale * number
    return unit.text(number, digits) if scaled == 0 or abs(scaled) >= 1 or digits > 3 else f"{scaled:.2g}"


def chance(name: str, number: float | None) -> str:
    """Return the chance level of a metric; a dash for None."""
    return "–" if number is None else reference_text(number, metric_of(name).unit)


def within_bounds(low: float, high: float, unit: Unit) -> tuple[float, float]:
    """Return the ends of an interval inside the possible scores; those of a mean over seeds may lie outside.

    >>> within_bounds(-0.002, 0.024, PERCENT)
    (0.0, 0.024)
    """
    lowest, highest = unit.bounds
    return min(max(low, lowest), highest), max(min(high, highest), lowest)


def interval_beside(number: float, low: float | None, high: float | None, unit: Unit = PERCENT, digits: int = 1) -> str:
    """Return a 95 % interval as it is shown beside its score: ``± 1.3``, or ``8.2–17.2``; empty where there is none.

    ± is used only where it says where the interval ends: both sides are equally wide to the last digit that is shown,
    and neither end is an impossible score. All screens and formats call this function.

    Args:
        number: the score, as it is stored.
        low: lower end of the interval.
        high: upper end of the interval.
        unit: unit of the score.
        digits: digits behind the point of a percentage.

    >>> interval_beside(0.335, 0.322, 0.348), interval_beside(0.12, 0.082, 0.172), interval_beside(0.011, -0.002, 0.024)
    ('± 1.3', '8.2–17.2', '0.0–2.4')
    """
    if low is None or high is None:
        return ""
    places, half = unit.places(digits), (high - low) / 2
    last_digit = 10.0**-places * (1 + 1e-9)
    shown, width = (round(unit.scale * each, places) for each in (number, half))
    possible = all(
        unit.bounds[0] * unit.scale - 1e-9 <= end <= unit.bounds[1] * unit.scale + 1e-9
        for end in (unit.scale * low, unit.scale * high, shown - width, shown + width)
    )
    if possible and unit.scale * abs(high + low - 2 * number) <= last_digit:
        return f"± {unit.text(half, digits)}"
    return "–".join(unit.text(end, digits) for end in within_bounds(low, high, unit))


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

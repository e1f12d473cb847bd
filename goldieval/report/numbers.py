"""Numbers and metric names as people read them: shares in percent, ranks as they are."""

from __future__ import annotations

import re

from goldieval.records.parts import MeasuredMetric

_LABELS = {
    "acc": "top-{}",
    "mean_accuracy": "accuracy, mean of groups",
    "mean_per_class_recall": "mean per class",
    "miou": "mIoU",
    "macc": "mean accuracy",
    "aacc": "pixel accuracy",
    "r": "{} R@{}",
    "mean_rank": "{} mean rank",
    "median_rank": "{} median rank",
}


def label(name: str) -> str:
    """Return a metric's name in the field's words.

    >>> label("t2i_r10"), label("acc1"), label("i2t_median_rank"), label("mean_per_class_recall")
    ('T2I R@10', 'top-1', 'I2T median rank', 'mean per class')
    >>> label("t2i_r1_heldout"), label("accuracy"), label("accuracy_colour")
    ('T2I R@1 heldout', 'accuracy', 'accuracy colour')
    >>> label("accuracy_add_obj"), label("group_score")
    ('accuracy add obj', 'group score')
    """
    if part := re.fullmatch("(accuracy|(?:t2i|i2t)_r[0-9]+)_(.+)", name):
        return f"{label(part[1])} {part[2].replace('_', ' ')}"
    if name.endswith("_score"):
        return name.replace("_", " ")
    found = re.fullmatch(r"(?:(t2i|i2t)_)?(.*?)([0-9]*)", name)
    parts = [part for part in (found[1] and found[1].upper(), found[3]) if part] if found else []
    pattern = _LABELS.get(found[2], "") if found else ""
    return pattern.format(*parts) if pattern and pattern.count("{}") == len(parts) else name


def value(name: str, number: float | None) -> str:
    """Return a share in percent or a rank, with one digit; a dash for nothing."""
    if number is None:
        return "–"
    return f"{number:,.1f}" if name.endswith("_rank") else f"{100 * number:.1f}"


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

"""The headline of each checkpoint of a glob, against the number of images seen in training."""

from __future__ import annotations

from collections.abc import Mapping

from goldieval.comparison.result import CurvePoint
from goldieval.comparison.sides import Side


def curve_of(sides: Mapping[str, Side]) -> list[CurvePoint]:
    """Return one point per record, sorted by task and side, in the order of the entries."""
    points = [
        CurvePoint(
            side=name,
            spec=entry.record.model.spec,
            task=entry.record.task.name,
            metric=entry.record.task.headline,
            images_seen=entry.record.model.images_seen,
            value=entry.record.headline.value,
            low=entry.record.headline.low,
            high=entry.record.headline.high,
        )
        for name, side in sides.items()
        for entry in side.entries
        if entry.record.headline
    ]
    return sorted(points, key=lambda point: (point.task, point.side))

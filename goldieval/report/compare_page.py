"""A comparison as one self-contained page: verdicts with their intervals, curves, and flipped queries with pictures.

All text from records and data sets is escaped by the template; the page contains no script and loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from goldieval.comparison.flips import Flip
from goldieval.comparison.pairs import Pair
from goldieval.comparison.result import Comparison, CurvePoint, MetricComparison, models
from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.data.roots import data_root
from goldieval.metrics.registry import metric_of
from goldieval.report.formats.html import shown
from goldieval.report.numbers import label, value
from goldieval.report.thumbnails import Thumbnails
from goldieval.report.verdicts import chance, ends, signed, summary

HALF_WIDTH = 85  # of an interval's drawing, in pixels to either side of no difference
PLOT = (50.0, 590.0, 210.0, 10.0)  # left, right, bottom, top


def write_page(
    file: Path,
    found: Comparison,
    flipped: Sequence[Sequence[Flip]],
    data_dir: Path | None = None,
    tasks_dir: Path | None = None,
) -> None:
    """Write the page atomically.

    Args:
        file: the page.
        found: the comparison.
        flipped: the flipped queries of each row.
        data_dir: folder of the data, where pictures are looked for.
        tasks_dir: folder of the user's task cards.

    Raises:
        GoldievalError: the file cannot be written.
    """
    page = render(found, flipped, Thumbnails(data_root(data_dir), tasks_dir))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, page.encode())
    except OSError as error:
        raise GoldievalError(f"cannot write {file}: {error.strerror or error}. Name another --html.") from error


def render(found: Comparison, flipped: Sequence[Sequence[Flip]], thumbnails: Thumbnails) -> str:
    """Return the page's HTML."""
    template = (Path(__file__).parent / "templates" / "compare.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=shown)
    sides = {"a": models(found.a), "b": models(found.b)}
    rows = [
        _row(row, pair, flips, _reach(found.rows, row), thumbnails)
        for row, pair, flips in zip(found.rows, found.pairs, flipped or [[]] * len(found.rows), strict=True)
    ]
    return page.from_string(template).render(
        a=sides["a"][-1],
        b=sides["b"][-1],
        sides=sides,
        summary=summary(found.rows),
        rows=rows,
        curves=_curves(found.curve),
        notes=found.notes,
        refused=found.refused,
    )


def _reach(rows: Sequence[MetricComparison], row: MetricComparison) -> float:
    """Return the largest absolute end of all intervals in the unit of this row; each unit has a scale of its own."""
    unit = metric_of(row.metric).unit
    alike = [each for each in rows if metric_of(each.metric).unit == unit]
    return max([abs(end) for each in alike for end in (each.low, each.high, each.difference) if end is not None]) or 1.0


def _row(
    row: MetricComparison, pair: Pair, flips: Sequence[Flip], reach: float, thumbnails: Thumbnails
) -> dict[str, Any]:
    pictures, missing = thumbnails.of(pair.a.record, flips)
    about = [row.protocol, row.method, f"{row.n:,} queries", f"{row.clusters:,} clusters"]
    about += [f"a subset of {row.limit:,} images"] if row.limit else []
    about += [f"interval: {row.unreliable}"] if row.unreliable else []
    about += [f"B gains {row.gains:,} and loses {row.losses:,}"] if row.gains is not None else []
    about += [f"{row.seeds[0]} and {row.seeds[1]} seeds"] if row.seeds != (1, 1) else []
    return {
        "task": row.task,
        "label": label(row.metric),
        "a": value(row.metric, row.a),
        "b": value(row.metric, row.b),
        "difference": signed(row.metric, row.difference),
        "ends": ends(row),
        "x": [
            round(90 + HALF_WIDTH * (row.difference if end is None else end) / reach, 1)
            for end in (row.low, row.difference, row.high)
        ],
        "p": chance(row.p),
        "mdd": value(row.metric, row.minimum_detectable_difference),
        "verdict": row.verdict,
        "style": row.verdict.split()[0],
        "about": "; ".join([*about, *([row.note] if row.note else []), *([row.heading] if row.heading else [])]),
        "flips": [asdict(flip) | {"address": address} for flip, address in zip(flips, pictures, strict=True)],
        "pictures_missing": missing,
    }


def _curves(points: Sequence[CurvePoint]) -> list[dict[str, Any]]:
    return [_curve(task, list(group)) for task, group in groupby(points, lambda point: point.task)]


def _curve(task: str, points: list[CurvePoint]) -> dict[str, Any]:
    """Return the points of one task in pixels; a model with an unknown number of images seen is placed at 0."""
    left, right, bottom, top = PLOT
    most = max([point.images_seen or 0 for point in points]) or 1
    known = [end for point in points for end in (point.low, point.value, point.high) if end is not None]
    low, high = min(known), max(known)

    def height(score: float) -> float:
        return round(bottom + (top - bottom) * (score - low) / ((high - low) or 1.0), 1)

    name = f"{task}, {label(points[0].metric)}"
    placed = [
        {
            "side": point.side,
            "spec": point.spec,
            "shown": value(point.metric, point.value),
            "x": round(left + (right - left) * (point.images_seen or 0) / most, 1),
            "y": height(point.value),
            "low": height(point.value if point.low is None else point.low),
            "high": height(point.value if point.high is None else point.high),
        }
        for point in points
    ]
    ends = {"top": value(points[0].metric, high), "bottom": value(points[0].metric, low)}
    return {"name": name, "points": placed, "most": f"{most:,}", **ends}

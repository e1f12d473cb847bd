"""A comparison as one self-contained page: verdicts with their intervals, curves, and flipped queries with pictures.

All text from records and data sets is escaped by the template; the page loads nothing, and its content security policy
allows no script but its own, which filters the queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from goldieval.comparison.details import Details
from goldieval.comparison.flips import Flip
from goldieval.comparison.pairs import Pair
from goldieval.comparison.result import Comparison, CurvePoint, MetricComparison, models
from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.data.roots import data_root
from goldieval.metrics.registry import metric_of
from goldieval.report.flip_cards import flip_card
from goldieval.report.numbers import label, value
from goldieval.report.page_parts import environment, policy_hash, script_of, style_of
from goldieval.report.segmentation_cards import segmentation_card
from goldieval.report.thumbnails import MOST_BYTES, TaskPictures, Thumbnails
from goldieval.report.verdicts import interval_text, p_value, signed, summary, text_alone

HALF_WIDTH = 85  # of an interval's drawing, in pixels to either side of no difference
CLASSES = "i2c"  # direction of queries whose text is the name of a class
PLOT = (50.0, 590.0, 210.0, 10.0)  # left, right, bottom, top


def write_page(
    file: Path,
    comparison: Comparison,
    details: Sequence[Details],
    data_dir: Path | None = None,
    tasks_dir: Path | None = None,
) -> None:
    """Write the page atomically.

    Args:
        file: the page.
        comparison: the comparison.
        details: what stands behind each row.
        data_dir: folder of the data, where pictures are read.
        tasks_dir: folder of the user's task cards.

    Raises:
        GoldievalError: the file cannot be written.
    """
    with_flips = sum(bool(each.flips.listed) for each in details)
    page = render(comparison, details, Thumbnails(data_root(data_dir), tasks_dir, with_flips))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, page.encode())
    except OSError as error:
        raise GoldievalError(f"cannot write {file}: {error.strerror or error}. Name another --html.") from error


def render(comparison: Comparison, details: Sequence[Details], thumbnails: Thumbnails) -> str:
    """Return the page's HTML."""
    script = script_of("compare")
    sides = {"a": models(comparison.a), "b": models(comparison.b)}
    rows = [
        {**_verdict(row, pair, _largest_end(comparison.rows, row)), **_behind(pair, each, thumbnails)}
        for row, pair, each in zip(comparison.rows, comparison.pairs, details, strict=True)
    ]
    for row, before in zip(rows, [None, *rows], strict=False):
        row["is_first_of_task"] = before is None or before["task"] != row["task"]
    return (
        environment()
        .get_template("compare.html")
        .render(
            style=style_of("compare"),
            script=script,
            script_hash=policy_hash(script),
            a=sides["a"][-1],
            b=sides["b"][-1],
            sides=sides,
            summary=summary(comparison.rows),
            rows=rows,
            curves=_curves(comparison.curve),
            notes=comparison.notes,
            refused=comparison.refused,
        )
    )


def _largest_end(rows: Sequence[MetricComparison], row: MetricComparison) -> float:
    """Return the largest absolute end of all intervals in the unit of this row; each unit has its own scale."""
    unit = metric_of(row.metric).unit
    alike = [each for each in rows if metric_of(each.metric).unit == unit]
    return max([abs(end) for each in alike for end in (each.low, each.high, each.difference) if end is not None]) or 1.0


def _verdict(row: MetricComparison, pair: Pair, largest_end: float) -> dict[str, Any]:
    about = [row.protocol, row.method, f"{row.n:,} queries", f"{row.clusters:,} clusters"]
    about += [f"a subset of {row.limit:,} images"] if row.limit else []
    about += [f"interval: {row.unreliable}"] if row.unreliable else []
    about += [alone] if (alone := text_alone(row, pair)) else []
    about += [f"B gains {row.gains:,} and loses {row.losses:,}"] if row.gains is not None else []
    about += [f"{row.seeds[0]} and {row.seeds[1]} seeds"] if row.seeds != (1, 1) else []
    return {
        "task": row.task,
        "label": label(row.metric),
        "a": value(row.metric, row.a),
        "b": value(row.metric, row.b),
        "difference": signed(row.metric, row.difference),
        "ends": interval_text(row),
        "x": [
            round(90 + HALF_WIDTH * (row.difference if end is None else end) / largest_end, 1)
            for end in (row.low, row.difference, row.high)
        ],
        "p": p_value(row.p),
        "mdd": value(row.metric, row.minimum_detectable_difference),
        "verdict": row.verdict,
        "style": row.verdict.split()[0],
        "about": "; ".join([*about, *([row.note] if row.note else []), *([row.heading] if row.heading else [])]),
    }


def _behind(pair: Pair, details: Details, thumbnails: Thumbnails) -> dict[str, Any]:
    """Return the flipped queries of a row with their pictures, confusions, and notes on what is not shown."""
    record, flips = pair.a.record, details.flips
    strata = sorted({name for flip in flips.listed for name in flip.strata})
    pictures = thumbnails.of(record) if flips.listed else TaskPictures(lambda id, path: None, 0)
    labels = list(record.classes)
    cards = [
        flip_card(flip, pictures, strata) if not labels else _segmented(flip, pictures, strata, labels)
        for flip in flips.listed
    ]
    directions = sorted({flip.direction for flip in flips.listed})
    return {
        "flips": cards,
        "shown": flips.counts,
        "strata": strata,
        "directions": directions,
        "has_text": any(flip.text and flip.direction != CLASSES for flip in flips.listed),
        "has_cut": any(flip.cut for flip in flips.listed),
        "is_segmentation": bool(labels),
        "confusions": details.confusions,
        "classes": details.classes,
        "rerun": details.rerun,
        "picture_notes": _picture_notes(pictures),
    }


def _segmented(flip: Flip, pictures: TaskPictures, strata: list[str], labels: list[str]) -> dict[str, Any]:
    nothing = TaskPictures(lambda id, path: None, 0, "shown as panels")
    return {**flip_card(flip, nothing, strata), "sheet": segmentation_card(flip, labels, pictures)}


def _picture_notes(pictures: TaskPictures) -> list[str]:
    """Return one line for each reason why pictures are missing."""
    if pictures.unavailable:
        return [f"no pictures: {pictures.unavailable}"]
    counted = {
        "missing or unreadable pictures, looked for in --data-dir": pictures.not_found,
        f"pictures left out, because those of a page have at most {MOST_BYTES / 1e6:.0f} MB": pictures.left_out,
    }
    return [f"{what}: {count:,}" for what, count in counted.items() if count]


def _curves(points: Sequence[CurvePoint]) -> list[dict[str, Any]]:
    return [_curve(task, list(group)) for task, group in groupby(points, lambda point: point.task)]


def _curve(task: str, points: list[CurvePoint]) -> dict[str, Any]:
    """Return the points of one task in pixels; a model with an unknown number of images seen is placed at 0."""
    left, right, bottom, top = PLOT
    largest = max([point.images_seen or 0 for point in points]) or 1
    values = [end for point in points for end in (point.low, point.value, point.high) if end is not None]
    low, high = min(values), max(values)

    def height(score: float) -> float:
        return round(bottom + (top - bottom) * (score - low) / ((high - low) or 1.0), 1)

    name = f"{task}, {label(points[0].metric)}"
    placed = [
        {
            "side": point.side,
            "spec": point.spec,
            "shown": value(point.metric, point.value),
            "x": round(left + (right - left) * (point.images_seen or 0) / largest, 1),
            "y": height(point.value),
            "low": height(point.value if point.low is None else point.low),
            "high": height(point.value if point.high is None else point.high),
        }
        for point in points
    ]
    ends = {"top": value(points[0].metric, high), "bottom": value(points[0].metric, low)}
    return {"name": name, "points": placed, "most": f"{largest:,}", **ends}

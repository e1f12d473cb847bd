"""Pictures on which two predictions differ most: by mean intersection over union, or by an error of each picture."""

from __future__ import annotations

import numpy as np

from goldieval.comparison.flips import SIGNS, Flip, Flips, What
from goldieval.metrics.metric import Metric
from goldieval.metrics.miou import mean_iou
from goldieval.metrics.query_values import Columns, QueryValues


def picture_flips(columns: tuple[Columns, Columns], a: QueryValues, b: QueryValues, limit: int) -> Flips:
    """Return the pictures that B segments better, and worse, than A, sorted by decreasing difference.

    Args:
        columns: the outcomes of A and of B.
        a: intersections and unions of each picture under A, shape (pictures, 2 x classes).
        b: the same under B, in the order of A.
        limit: maximum number of better, and of worse, pictures.
    """
    scores = tuple(mean_iou(*np.hsplit(each.values.astype(float), 2)) for each in (a, b))
    texts = tuple([f"mean IoU {100 * score:.1f} %" for score in each.tolist()] for each in scores)
    return _largest(columns, (a, b), scores[1] - scores[0], texts, limit)


def error_flips(columns: tuple[Columns, Columns], a: QueryValues, b: QueryValues, metric: Metric, limit: int) -> Flips:
    """Return the pictures that B predicts better, and worse, than A, sorted by decreasing difference of a metric.

    Args:
        columns: the outcomes of A and of B.
        a: value of each picture under A, shape (pictures,).
        b: the same under B, in the order of A.
        metric: what the values are of.
        limit: maximum number of better, and of worse, pictures.
    """
    gain = a.values - b.values if metric.lower_is_better else b.values - a.values
    texts = tuple([f"{metric.label} {metric.text(value)}" for value in each.values.tolist()] for each in (a, b))
    return _largest(columns, (a, b), gain, texts, limit)


def _largest(
    columns: tuple[Columns, Columns],
    values: tuple[QueryValues, QueryValues],
    gain: np.ndarray,
    texts: tuple[list[str], ...],
    limit: int,
) -> Flips:
    """Return the pictures with the largest gains and losses.

    Args:
        columns: the outcomes of A and of B.
        values: of A and of B, with the rows of the pictures.
        gain: by how much B is better, (pictures,).
        texts: outcome of each picture under A and under B.
        limit: maximum number of better, and of worse, pictures.
    """
    found = {what: np.flatnonzero(sign * gain > 0) for what, sign in SIGNS.items()}
    listed = [
        _flip(what, columns, [int(each.rows[query]) for each in values], (texts[0][query], texts[1][query]))
        for what, queries in found.items()
        for query in queries[np.argsort(-np.abs(gain[queries]), kind="stable")][:limit].tolist()
    ]
    return Flips(listed, len(found["gained"]), len(found["lost"]))


def _flip(what: What, columns: tuple[Columns, Columns], rows: list[int], outcomes: tuple[str, str]) -> Flip:
    texts = {name: str(columns[0][name][rows[0]]) for name in ("direction", "sample_id", "cluster_id")}
    maps = [_map(side, row) for side, row in zip(columns, rows, strict=True)]
    return Flip(
        what=what,
        direction=texts["direction"],
        sample=texts["sample_id"],
        picture=texts["cluster_id"],
        image=str(columns[0]["image"][rows[0]]) if "image" in columns[0] else "",
        text="",
        a=outcomes[0],
        b=outcomes[1],
        tied=False,
        repeated=False,
        cut="",
        map_a=maps[0],
        map_b=maps[1],
    )


def _map(columns: Columns, row: int) -> bytes:
    """Return the encoded map of a picture; empty where the outcomes have none."""
    found = columns["predicted_map"][row] if "predicted_map" in columns else b""
    return found if isinstance(found, bytes) else b""

"""Pictures on which two segmentations differ most, by their mean intersection over union."""

from __future__ import annotations

import numpy as np

from goldieval.comparison.flips import SIGNS, Flip, Flips, What
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
    gain = scores[1] - scores[0]
    found = {what: np.flatnonzero(sign * gain > 0) for what, sign in SIGNS.items()}
    listed = [
        _flip(what, int(query), columns, (a, b), scores)
        for what, queries in found.items()
        for query in queries[np.argsort(-np.abs(gain[queries]), kind="stable")][:limit]
    ]
    return Flips(listed, len(found["gained"]), len(found["lost"]))


def _flip(
    what: What,
    query: int,
    columns: tuple[Columns, Columns],
    values: tuple[QueryValues, QueryValues],
    scores: tuple[np.ndarray, ...],
) -> Flip:
    rows = [each.rows[query] for each in values]
    texts = {name: str(columns[0][name][rows[0]]) for name in ("direction", "sample_id", "cluster_id")}
    maps = [_map(side, row) for side, row in zip(columns, rows, strict=True)]
    outcomes = [f"mean IoU {100 * float(score[query]):.1f} %" for score in scores]
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

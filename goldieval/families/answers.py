"""Columns of the outcomes that name the best right and the best wrong answer to each query, for comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldieval.data.samples import Dataset
from goldieval.families.object_column import object_column
from goldieval.metrics.answers import NOBODY, Answers


def answer_columns(answers: Answers | None, ids: Sequence[str], contents: Sequence[str]) -> dict[str, np.ndarray]:
    """Return ``right_id``, ``right_content`` and ``right_score``, and the same of ``wrong``; each (queries,).

    Args:
        answers: the best answers, as indices of ``ids``; None if they were not determined, which gives no columns.
        ids: id of each possible answer.
        contents: what a page shows of it: the path of an image, or the text.
    """
    if answers is None:
        return {}
    columns: dict[str, np.ndarray] = {}
    for name in ("right", "wrong"):
        items = getattr(answers, name)
        columns[f"{name}_id"] = _looked_up(ids, items)
        columns[f"{name}_content"] = _looked_up(contents, items)
        columns[f"{name}_score"] = _null_for_nan(getattr(answers, f"{name}_score"))
    return columns


def strata_lists(dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the column ``strata``, the names of the groups of each query, (queries,); none if the data have none."""
    if not dataset.strata:
        return {}
    masks = np.stack(list(dataset.strata.values()), axis=1)
    names = list(dataset.strata)
    return {"strata": object_column([[names[group] for group in np.flatnonzero(row)] for row in masks])}


def _looked_up(names: Sequence[str], items: np.ndarray) -> np.ndarray:
    """Return the name of each item, empty for one that does not exist."""
    return np.array(["" if item == NOBODY else names[item] for item in items.tolist()], dtype=object)


def _null_for_nan(scores: np.ndarray) -> np.ndarray:
    """Return scores with None in place of NaN, which is never written; the type is kept if there is none."""
    missing = np.isnan(scores)
    if not missing.any():
        return scores
    column = scores.astype(object)
    column[missing] = None
    return column

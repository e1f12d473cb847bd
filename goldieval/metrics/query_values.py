"""A metric's values, one per query, from the per-sample outcomes of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from goldieval.metrics.ranks import Ranks

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class QueryValues:
    """What the interval and the paired test of a metric need of one model.

    Attributes:
        ids: sample ids, (queries,).
        values: one value per query, (queries,); for mean IoU the areas of each image, (images, 2 x classes).
        groups: cluster of each query, (queries,); for means over classes the label.
        rows: rows of the outcomes that hold these queries, (queries,).
        bounds: the lowest and the highest value that a query can have.
        images_per_class: images that show each class, (classes,); None where that is not known or not needed.
    """

    ids: np.ndarray
    values: np.ndarray
    groups: np.ndarray
    rows: np.ndarray
    bounds: tuple[float, float] = (0.0, 1.0)
    images_per_class: np.ndarray | None = None

    def ordered(self, order: np.ndarray) -> QueryValues:
        """Return the queries in another order, given as indices."""
        ids, values, groups, rows = (each[order] for each in (self.ids, self.values, self.groups, self.rows))
        return replace(self, ids=ids, values=values, groups=groups, rows=rows)


def select(columns: Columns, values: np.ndarray, rows: np.ndarray | None = None) -> QueryValues:
    """Return values with the ids and clusters of their queries.

    Args:
        columns: the outcomes of a record.
        values: one value per selected row.
        rows: indices of the selected rows; all by default.
    """
    rows = np.arange(len(columns["sample_id"])) if rows is None else rows
    return QueryValues(columns["sample_id"][rows], values, columns["cluster_id"][rows], rows)


def ranks_of(columns: Columns) -> Ranks:
    """Return the ranks that a family wrote; the gallery's size is 0, because the outcomes do not hold it."""
    low, high, one = columns["rank_low"], columns["rank_high"], np.ones(len(columns["rank_low"]), dtype=np.int64)
    return Ranks(low - 1, high - low, columns.get("tied_positives", one), columns.get("positives", one), gallery=0)

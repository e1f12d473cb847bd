"""A metric's values, one per query, from the per-sample outcomes of a record.

While a task is scored, the outcomes have more columns than the record's file, which holds none of these: ``cluster``
(number of the cluster, in place of ``cluster_id``), ``gallery`` (number of candidates), ``absent`` (number of positives
that are not among them), ``chance`` (probability that a guess is right), ``set`` (queries that are right together) and
``stratum:NAME`` (whether a query is of that stratum).
The file names the strata of each query in its column ``strata``, and sets follow from the ids of their queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from goldieval.metrics.metric import strata_named
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
        strata: number of the stratum of each query, (queries,), of a mean over strata.
        predictions: predicted class of each query, (queries,), of a metric that counts the wrong ones by class.
        repeats: the value of each query in each repetition, of which ``values`` are the means, (queries, repetitions);
            for mean IoU the areas of each image by each head, of which ``values`` are the first, (images, seeds, ...).
    """

    ids: np.ndarray
    values: np.ndarray
    groups: np.ndarray
    rows: np.ndarray
    bounds: tuple[float, float] = (0.0, 1.0)
    images_per_class: np.ndarray | None = None
    strata: np.ndarray | None = None
    predictions: np.ndarray | None = None
    repeats: np.ndarray | None = None

    def ordered(self, order: np.ndarray) -> QueryValues:
        """Return the queries in another order, given as indices."""
        ids, values, groups, rows = (each[order] for each in (self.ids, self.values, self.groups, self.rows))
        optional = {"strata": self.strata, "predictions": self.predictions, "repeats": self.repeats}
        given = {name: each[order] for name, each in optional.items() if each is not None}
        return replace(self, ids=ids, values=values, groups=groups, rows=rows, **given)


def select(columns: Columns, values: np.ndarray, rows: np.ndarray | None = None) -> QueryValues:
    """Return values with the ids and clusters of their queries.

    Args:
        columns: the outcomes of a record.
        values: one value per selected row.
        rows: indices of the selected rows; all by default.
    """
    rows = np.arange(len(columns["sample_id"])) if rows is None else rows
    clusters = columns.get("cluster", columns["cluster_id"])
    return QueryValues(columns["sample_id"][rows], values, clusters[rows], rows)


def rows_of_stratum(columns: Columns, stratum: str) -> np.ndarray | None:
    """Return the rows of a stratum, (queries,), all for no stratum; None where the outcomes do not hold it.

    Of several strata, such as ``object+relation``, the rows of any of them that the outcomes hold.
    """
    if not stratum:
        return np.arange(len(columns["sample_id"]))
    masks = [mask for name in strata_named(stratum) if (mask := _mask(columns, name)) is not None]
    rows = np.flatnonzero(np.logical_or.reduce(masks)) if masks else np.empty(0, dtype=np.intp)
    return rows if len(rows) else None


def _mask(columns: Columns, stratum: str) -> np.ndarray | None:
    """Return whether each query is of one stratum, (queries,); None where the outcomes do not say so."""
    mask = columns.get(f"stratum:{stratum}")
    if mask is None and "strata" in columns:
        mask = np.fromiter((names is not None and stratum in names for names in columns["strata"]), dtype=bool)
    return mask


def strata_of(columns: Columns) -> list[str]:
    """Return the names of all strata, of columns that are being scored or of a record's file."""
    scored = [name.partition(":")[2] for name in columns if name.startswith("stratum:")]
    if scored or "strata" not in columns:
        return scored
    return list(dict.fromkeys(name for names in columns["strata"] if names is not None for name in names))


def sets_of(columns: Columns) -> np.ndarray | None:
    """Return the set of each query, (queries,): of the column, or the id of its example in a record's file.

    The four queries of an example are two texts and two images, whose ids are that of the example with -0 and -1.
    """
    if "set" in columns:
        return columns["set"]
    if "direction" not in columns:
        return None
    names, which = np.unique([str(id)[:-2] for id in columns["sample_id"]], return_inverse=True)
    ends = np.array([str(id)[-2:] for id in columns["sample_id"]])
    four = [
        np.bincount(which[(columns["direction"] == direction) & (ends == end)], minlength=len(names))
        for direction in ("i2t", "t2i")
        for end in ("-0", "-1")
    ]
    return names[which] if len(names) and all((count == 1).all() for count in four) else None


def ranks_of(columns: Columns, rows: np.ndarray | None = None) -> Ranks:
    """Return the ranks that a family wrote.

    Args:
        columns: the outcomes.
        rows: indices of queries of one direction; all by default.

    Returns:
        Ranks whose ``gallery`` is 0 where the outcomes do not hold the number of candidates.
    """
    rows = np.arange(len(columns["rank_low"])) if rows is None else rows
    low, high, one = columns["rank_low"][rows], columns["rank_high"][rows], np.ones(len(rows), dtype=np.int64)
    tied, positives = (columns[name][rows] if name in columns else one for name in ("tied_positives", "positives"))
    sizes = columns["gallery"][rows] if "gallery" in columns else np.zeros(0, dtype=np.int64)
    gallery = (int(sizes[0]) if len(sizes) else 0) if len(np.unique(sizes)) < 2 else sizes
    return Ranks(low - 1, high - low, tied, positives, gallery)

"""Influence of each image on scores of a record, from its per-sample outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from goldieval.core.errors import GoldievalError
from goldieval.metrics.averages import Influence
from goldieval.metrics.metric import Metric
from goldieval.metrics.query_values import Columns, QueryValues
from goldieval.metrics.registry import metric_of
from goldieval.records.files import read_outcomes
from goldieval.records.results import Entry
from goldieval.tasks.averages import Term


def influences_of(entries: Mapping[str, Entry], terms: Iterable[Term]) -> dict[Term, Influence | None]:
    """Return the influence of each image on each score; None where the outcomes do not hold it.

    Args:
        entries: records by task.
        terms: the scores.
    """
    terms = list(terms)
    columns = {task: _outcomes(entries[task]) for task in dict.fromkeys(term.task for term in terms)}
    return {term: _influence(metric_of(term.metric), columns[term.task]) for term in terms}


def _outcomes(entry: Entry) -> Columns | None:
    try:
        return read_outcomes(entry.file, entry.record)
    except GoldievalError:  # the interval is then that of fully dependent members, as its method says
        return None


def _influence(metric: Metric, columns: Columns | None) -> Influence | None:
    values = metric.values(columns) if columns is not None and metric.comparable else None
    if values is None or columns is None:
        return None
    moved = metric.influence(values)
    return totals(names_of_units(metric, values, columns, len(moved)), moved)


def names_of_units(metric: Metric, values: QueryValues, columns: Columns, count: int) -> np.ndarray:
    """Return the image of each entry of a metric's influence.

    Args:
        metric: the metric.
        values: its values.
        columns: the outcomes from which they are.
        count: number of entries of the influence.
    """
    images = columns["cluster_id"][values.rows]
    by_cluster = type(metric).influence is Metric.influence
    if by_cluster and np.array_equal(values.groups, images):
        return np.unique(images)
    return images if count == len(images) else np.arange(count).astype(str)


def totals(names: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """Return the sum of the values of each name."""
    unique, which = np.unique(names.astype(str), return_inverse=True)
    return dict(zip(unique.tolist(), np.bincount(which, values).tolist(), strict=True))

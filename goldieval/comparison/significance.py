"""From pairs of records to tested rows: outcomes read, aligned, tested, adjusted, judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goldieval.comparison.pairs import Pair, aligned
from goldieval.comparison.result import MetricComparison, Verdict
from goldieval.core.errors import GoldievalError, first_line
from goldieval.metrics.metric import Metric
from goldieval.metrics.paired import LEVEL, Paired
from goldieval.metrics.pvalues import holm
from goldieval.metrics.query_values import Columns, QueryValues
from goldieval.metrics.registry import metric_of
from goldieval.metrics.seeds import Seeded, seeded
from goldieval.records.files import read_outcomes
from goldieval.records.results import Entry


@dataclass(frozen=True)
class _Tested:
    pair: Pair
    metric: Metric
    found: Paired | Seeded
    clusters: int
    n: int
    seeds: tuple[int, int]


def rows_of(
    pairs: Sequence[Pair], all_metrics: bool
) -> tuple[list[MetricComparison], list[Pair], list[str], list[str]]:
    """Test every task; return rows, the first pair of records of each, and a line for what could not be tested.

    Several pairs of one task are seeds and make one row. The last list names tasks whose outcomes cannot be read, or
    whose sample ids differ; the other tasks are compared.
    """
    tested: list[_Tested] = []
    untested, refused = [], []
    for found in _by_task(pairs):
        name = found[0].a.record.task.name
        try:
            of_task, lacking = _task(found, all_metrics)
        except GoldievalError as error:
            refused.append(f"{name}: {error}")
            continue
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            refused.append(f"{name}: its outcomes are not those of such a task ({first_line(error)}).")
            continue
        tested += of_task
        if lacking:
            untested.append(f"{name}: not tested, the per-sample outcomes do not contain {', '.join(lacking)}")
    adjusted = holm([each.found.p for each in tested])
    rows = [_row(each, p, LEVEL / len(tested)) for each, p in zip(tested, adjusted, strict=True)]
    return rows, [each.pair for each in tested], untested, refused


def _task(found: Sequence[Pair], all_metrics: bool) -> tuple[list[_Tested], list[str]]:
    """Test the metrics of one task; also return the names of those that the outcomes do not contain."""
    record = found[0].a.record
    common = [name for name in record.metrics if name in found[0].b.record.metrics]
    sides = tuple(_columns([getattr(each, side) for each in found]) for side in ("a", "b"))
    tested, lacking = [], []
    for metric in map(metric_of, common if all_metrics else [record.task.headline]):
        values = [[metric.values(columns) if metric.comparable else None for columns in side] for side in sides]
        known = [[each for each in side if each is not None] for side in values]
        if known == values:
            tested.append(_tested(found[0], metric, known[0], known[1]))
        else:
            lacking.append(metric.name)
    return tested, lacking


def _by_task(pairs: Sequence[Pair]) -> list[list[Pair]]:
    tasks: dict[tuple[Any, ...], list[Pair]] = {}
    for each in pairs:
        record = each.a.record
        task = record.task
        key = (task.name, task.limit, task.card_sha256, task.scoring, record.model.precision, each.note)
        tasks.setdefault(key, []).append(each)
    return list(tasks.values())


def _columns(entries: list[Entry]) -> list[Columns]:
    """Return the outcomes of each record; every file is read once."""
    distinct = {entry.file: entry for entry in entries}.values()
    read: list[Columns] = [read_outcomes(entry.file, entry.record) for entry in distinct]
    for columns in read:
        if lacking := [name for name in ("sample_id", "cluster_id", "direction") if name not in columns]:
            raise GoldievalError(f"the per-sample outcomes have no column {', '.join(lacking)}.")
    return read


def _tested(pair: Pair, metric: Metric, a: list[QueryValues], b: list[QueryValues]) -> _Tested:
    where = f"{pair.a.record.task.name}, {metric.name}"
    a, b = ([aligned(a[0], each, where) for each in side] for side in (a, b))
    found = metric.paired(a[0], b[0]) if len(a) == len(b) == 1 else _of_seeds(metric, a, b)
    clusters = len(metric.influence(a[0]))
    return _Tested(pair, metric, found, clusters, len(a[0].ids), (len(a), len(b)))


def _of_seeds(metric: Metric, a: list[QueryValues], b: list[QueryValues]) -> Seeded:
    scores = [np.array([metric.score(each) for each in side]) for side in (a, b)]
    moved = [np.stack([metric.influence(each) for each in side], axis=1) for side in (a, b)]
    return seeded(scores[0], scores[1], moved[0], moved[1])


def _row(tested: _Tested, p: float, strictest: float) -> MetricComparison:
    found, task = tested.found, tested.pair.a.record.task
    lower = tested.metric.lower_is_better
    ups = found.difference < 0 if lower else found.difference > 0
    verdict: Verdict = "not separable" if p > LEVEL else "better" if ups else "worse"
    gains, losses = (found.gains, found.losses) if isinstance(found, Paired) else (None, None)
    if lower and gains is not None:
        gains, losses = losses, gains
    return MetricComparison(
        task=task.name,
        metric=tested.metric.name,
        protocol=task.protocol,
        limit=task.limit,
        heading=task.heading,
        a=found.a,
        b=found.b,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p_alone=found.p,
        p=p,
        verdict=verdict,
        minimum_detectable_difference=found.minimum_detectable_difference(strictest),
        method=found.method if isinstance(found, Paired) else "Welch's t over seeds and samples",
        n=tested.n,
        clusters=tested.clusters,
        gains=gains,
        losses=losses,
        seeds=tested.seeds,
        seed_sd=(None, None) if isinstance(found, Paired) else found.seed_sd,
        seed_error=None if isinstance(found, Paired) else found.seed_error,
        sample_error=None if isinstance(found, Paired) else found.sample_error,
        note=tested.pair.note,
        unreliable=found.unreliable if isinstance(found, Paired) else "",
    )

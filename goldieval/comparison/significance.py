"""Significance tests of pairs of records: outcomes are read, aligned and tested, and p-values adjusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goldieval.comparison.pairs import Pair, aligned
from goldieval.comparison.result import MetricComparison, Verdict
from goldieval.core.errors import GoldievalError, first_line
from goldieval.metrics.metric import Metric
from goldieval.metrics.paired_result import LEVEL, Paired
from goldieval.metrics.pvalues import holm
from goldieval.metrics.query_values import Columns, QueryValues
from goldieval.metrics.registry import metric_of
from goldieval.metrics.seeds import Seeded, seeded
from goldieval.records.files import read_outcomes
from goldieval.records.results import Entry


@dataclass(frozen=True)
class Tested:
    """The test of one metric of one task, before p-values are adjusted.

    Attributes:
        pair: the records of A and B.
        metric: the metric.
        result: the result of the test.
        clusters: number of independent units.
        n: number of queries.
        seeds: number of seeds of A and of B.
    """

    pair: Pair
    metric: Metric
    result: Paired | Seeded
    clusters: int
    n: int
    seeds: tuple[int, int]


def rows_of(
    pairs: Sequence[Pair], all_metrics: bool, averages: Sequence[Tested] = ()
) -> tuple[list[MetricComparison], list[Pair], list[str], list[str]]:
    """Test every task. Several pairs of one task are seeds, and make one row.

    Args:
        pairs: pairs of records.
        all_metrics: whether all metrics are tested, not only the headline.
        averages: tests of averages, which are adjusted together with the others and come last.

    Returns:
        The rows; the first pair of records of each; one line for each task with metrics that could not be tested; and
        one line for each task whose outcomes cannot be read, or whose sample ids differ.
    """
    tested: list[Tested] = []
    untested, refused = [], []
    for group in _by_task(pairs):
        name = group[0].a.record.task.name
        try:
            of_task, missing = _test_task(group, all_metrics)
        except GoldievalError as error:
            refused.append(f"{name}: {error}")
            continue
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            refused.append(f"{name}: its outcomes do not fit the task ({first_line(error)}).")
            continue
        tested += of_task
        if missing:
            untested.append(f"{name}: not tested, the per-sample outcomes do not contain {', '.join(missing)}")
    tested += averages
    adjusted = holm([each.result.p for each in tested])
    rows = [_row(each, p, LEVEL / len(tested)) for each, p in zip(tested, adjusted, strict=True)]
    return rows, [each.pair for each in tested], untested, refused


def _test_task(pairs: Sequence[Pair], all_metrics: bool) -> tuple[list[Tested], list[str]]:
    """Return the tests of one task, and the names of the metrics that the outcomes do not contain."""
    record = pairs[0].a.record
    common = [name for name in record.metrics if name in pairs[0].b.record.metrics]
    sides = tuple(_columns([getattr(each, side) for each in pairs]) for side in ("a", "b"))
    tested, missing = [], []
    for metric in map(metric_of, common if all_metrics else [record.task.headline]):
        values = [[metric.values(columns) if metric.comparable else None for columns in side] for side in sides]
        present = [[each for each in side if each is not None] for side in values]
        if present == values:
            tested.append(_test(pairs[0], metric, present[0], present[1]))
        else:
            missing.append(metric.name)
    return tested, missing


def _by_task(pairs: Sequence[Pair]) -> list[list[Pair]]:
    tasks: dict[tuple[Any, ...], list[Pair]] = {}
    for each in pairs:
        record = each.a.record
        task = record.task
        key = (task.name, task.limit, task.card_sha256, task.scoring, record.model.precision, each.note)
        tasks.setdefault(key, []).append(each)
    return list(tasks.values())


def _columns(entries: list[Entry]) -> list[Columns]:
    """Return the outcomes of each distinct record."""
    distinct = {entry.file: entry for entry in entries}.values()
    read: list[Columns] = [read_outcomes(entry.file, entry.record) for entry in distinct]
    for columns in read:
        if lacking := [name for name in ("sample_id", "cluster_id", "direction") if name not in columns]:
            raise GoldievalError(f"the per-sample outcomes have no column {', '.join(lacking)}.")
    return read


def _test(pair: Pair, metric: Metric, a: list[QueryValues], b: list[QueryValues]) -> Tested:
    context = f"{pair.a.record.task.name}, {metric.name}"
    a, b = ([aligned(a[0], each, context) for each in side] for side in (a, b))
    result = metric.paired(a[0], b[0]) if len(a) == len(b) == 1 else _test_seeds(metric, a, b)
    clusters = len(metric.influence(a[0]))
    return Tested(pair, metric, result, clusters, len(a[0].ids), (len(a), len(b)))


def _test_seeds(metric: Metric, a: list[QueryValues], b: list[QueryValues]) -> Seeded:
    scores = [np.array([metric.score(each) for each in side]) for side in (a, b)]
    influences = [np.stack([metric.influence(each) for each in side], axis=1) for side in (a, b)]
    return seeded(scores[0], scores[1], influences[0], influences[1])


def _row(tested: Tested, p: float, strictest_level: float) -> MetricComparison:
    result, task = tested.result, tested.pair.a.record.task
    lower = tested.metric.lower_is_better
    improved = result.difference < 0 if lower else result.difference > 0
    verdict: Verdict = "not separable" if p > LEVEL else "better" if improved else "worse"
    gains, losses = (result.gains, result.losses) if isinstance(result, Paired) else (None, None)
    if lower and gains is not None:
        gains, losses = losses, gains
    return MetricComparison(
        task=task.name,
        metric=tested.metric.name,
        protocol=task.protocol,
        limit=task.limit,
        heading=task.heading,
        a=result.a,
        b=result.b,
        difference=result.difference,
        low=result.low,
        high=result.high,
        p_alone=result.p,
        p=p,
        verdict=verdict,
        minimum_detectable_difference=result.minimum_detectable_difference(strictest_level),
        method=result.method if isinstance(result, Paired) else "Welch's t over seeds and samples",
        n=tested.n,
        clusters=tested.clusters,
        gains=gains,
        losses=losses,
        seeds=tested.seeds,
        seed_sd=(None, None) if isinstance(result, Paired) else result.seed_sd,
        seed_error=None if isinstance(result, Paired) else result.seed_error,
        sample_error=None if isinstance(result, Paired) else result.sample_error,
        note=tested.pair.note,
        unreliable=result.unreliable if isinstance(result, Paired) else "",
    )

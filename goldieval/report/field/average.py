"""The interval of a suite's average, such as DataComp's of 38 sets, from the scores of its members and their n."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from functools import cache

from goldieval.metrics.registry import metric_of
from goldieval.report.importing.number import all_names
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import Column
from goldieval.tasks.averages import Average

NOTE = (
    "from n of the members alone: sets are independent, a mean per class counts as a share of the images, and a macro "
    "F1 or a worst group whose n is not known counts as exact"
)
Name = tuple[str, str]
"""Task and metric."""


@cache
def means_of_directions() -> dict[Name, Name]:
    """Return, for recall in each direction, the name under which other harnesses print the mean of both."""
    found: dict[Name, Name] = {}
    for task in all_names()["datacomp"]["tasks"].values():
        metrics = {theirs: (name[0], name[1]) for theirs, name in task["metrics"].items()}
        if "mean_recall@1" in metrics:
            for side in ("image", "text"):
                found[metrics[f"{side}_retrieval_recall@1"]] = metrics["mean_recall@1"]
    return found


def average_error(average: Average, scores: Mapping[Name, float], sources: TableSources) -> float | None:
    """Return the standard error of an average; None where a member has no score.

    Scores of one task, such as recall in both directions, are of the same images and count as fully correlated.

    Args:
        average: the average.
        scores: fraction of each member, by task and metric.
        sources: for the number of images of each set.
    """
    errors: dict[str, float] = defaultdict(float)
    for term in average.terms():
        name = term.task, term.metric
        value = scores.get(name, scores.get(means_of_directions().get(name, name)))
        if value is None:
            return None
        n = _units(*name, sources)
        errors[term.task] += term.share * math.sqrt(max(value * (1 - value), 0.0) / n) if n else 0.0
    return math.sqrt(sum(error**2 for error in errors.values()))


def _units(task: str, metric: str, sources: TableSources) -> int | None:
    """Return the number of independent units of a member; None where its group or its score has none that is known."""
    if metric_of(metric).error_follows_size:
        return sources.expected(Column(task=task, metric=metric))
    return sources.published.size(task, metric)

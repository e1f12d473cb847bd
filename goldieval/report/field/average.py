"""The interval of DataComp's average of 38 sets, from the scores of its members and their n."""

from __future__ import annotations

import math
from collections.abc import Mapping

from goldieval.report.importing.datacomp import AVERAGED
from goldieval.report.importing.number import all_names
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import Column

NAME = ("datacomp-38", "average")
NOTE = (
    "from n of the members alone: sets are independent, a mean per class counts as a share of the images, and macro F1 "
    "and FMoW's worst region, whose n is not known, count as exact"
)
Name = tuple[str, str]
"""Task and metric."""


def members() -> dict[Name, list[Name]]:
    """Return the number of each set that is averaged, with the two of which it is the mean, if it is one."""
    found: dict[Name, list[Name]] = {}
    for task in all_names()["datacomp"]["tasks"].values():
        metrics = {theirs: (name[0], name[1]) for theirs, name in task["metrics"].items()}
        halves = [metrics[f"{side}_retrieval_recall@1"] for side in ("image", "text") if "mean_recall@1" in metrics]
        if task.get("averaged"):
            found[list(metrics.values())[-1]] = halves
    return found


def average_error(scores: Mapping[Name, float], sources: TableSources) -> float | None:
    """Return the standard error of the average; None where a member has no score.

    Args:
        scores: fraction of each member, by task and metric.
        sources: for the number of images of each set.
    """
    variance = 0.0
    for name, halves in members().items():
        value = scores.get(name)
        if value is None and halves and all(half in scores for half in halves):
            value = sum(scores[half] for half in halves) / len(halves)
        if value is None:
            return None
        n = _units(*name, sources)
        variance += value * (1 - value) / n if n else 0.0
    return math.sqrt(variance) / AVERAGED


def _units(task: str, metric: str, sources: TableSources) -> int | None:
    """Return the number of independent units of a member; None where its group or its score has none that is known."""
    if metric == "macro_f1" or metric.startswith("worst_group"):
        return sources.published.size(task, metric)
    return sources.expected(Column(task=task, metric=metric))

"""What a user asks of the data-efficiency plot on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from goldieval.core.errors import GoldievalError, did_you_mean
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import Plot, TableSpec, Trained

_COUNT = re.compile(r"(?P<number>[0-9][0-9_]*(\.[0-9]+)?)(?P<unit>[kKmMbBtT]?)")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_MOST = 10**18


@dataclass(frozen=True)
class PlotChoice:
    """Options of the plot.

    Attributes:
        task: ``TASK`` or ``TASK:METRIC``; empty for the choice of the specification.
        labels: globs over models whose labels are shown in any case.
        trained: training data of models, as ``NAME=PAIRS,SEEN``.
    """

    task: str = ""
    labels: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()

    def applied(self, spec: TableSpec, sources: TableSources) -> TableSpec:
        """Return a specification with these options.

        Raises:
            GoldievalError: the task or metric does not exist, or training data are not written as they must be.
        """
        plot = spec.plot or (Plot() if self.task else None)
        if plot is None:
            return spec
        trained = dict(map(_trained, self.trained))
        rest = {name: each for name, each in plot.trained.items() if name not in trained}
        changes: dict[str, Any] = {"labels": [*plot.labels, *self.labels], "trained": trained | rest}
        if self.task:
            changes |= dict(zip(("task", "metric"), _column(self.task, sources), strict=True))
        return spec.model_copy(update={"plot": plot.model_copy(update=changes)})


def _column(text: str, sources: TableSources) -> tuple[str, str]:
    """Return task and metric, by default the headline metric of the task's card or else of its records."""
    task, _, metric = text.partition(":")
    headlines = {record.task.name: record.task.headline for _, record in sources.records}
    headlines |= {name: each.card.headline for name, each in sources.tasks.items()}
    known = {*headlines, *sources.published.tasks}
    if task not in known:
        raise GoldievalError(f"--plot-task {text}: no task {task!r}.{did_you_mean(task, known)}")
    metrics = sorted(metric for name, metric in sources.published.columns if name == task)
    metrics += [name for _, record in sources.records if record.task.name == task for name in record.metrics]
    metric = metric or headlines.get(task, "") or metrics[0]
    if metric not in metrics:
        there_are = f" There are {', '.join(dict.fromkeys(metrics))}." if metrics else ""
        raise GoldievalError(f"--plot-task {text}: no score of {metric!r}.{there_are}")
    return task, metric


def _trained(text: str) -> tuple[str, Trained]:
    """Return the name and the training data of ``NAME=PAIRS,SEEN``; the name may contain ``=``.

    >>> _trained("my*=30M,1.2B")
    ('my*', Trained(unique_pairs=30000000, images_seen=1200000000))
    """
    name, _, counts = text.rpartition("=")
    parts = counts.split(",")
    values = [_count(part.strip()) for part in parts]
    if not name or len(parts) != 2 or None in values or values == [0, 0]:
        raise GoldievalError(
            f"--trained {text!r}: write NAME=PAIRS,SEEN with whole numbers or k, M, B, such as 'my*=30M,1.2B'; "
            "one of the two may be empty."
        )
    return name, Trained(unique_pairs=values[0] or None, images_seen=values[1] or None)


def _count(text: str) -> int | None:
    """Return a number of images; 0 for an empty text, None where it is none."""
    if not text:
        return 0
    found = _COUNT.fullmatch(text)
    number = round(float(found["number"].replace("_", "")) * _UNITS[found["unit"].lower()]) if found else 0
    return number if 0 < number <= _MOST else None

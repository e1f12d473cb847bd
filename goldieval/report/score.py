"""One number of one model on one task, wherever it comes from: a record, a paper, another harness."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from goldieval.metrics.effective import Z95
from goldieval.metrics.intervals import Z80, wilson
from goldieval.metrics.registry import metric_of
from goldieval.records.parts import MeasuredMetric
from goldieval.records.schema import Record

Kind = Literal["ours", "published", "imported"]
RECONSTRUCTION = re.compile(r"^(?P<name>[^:]+ \((reconstruction|reimplementation)\)):")


@dataclass(frozen=True)
class Score:
    """A value (a fraction where the unit is percent; None: known to exist, not readable) and what it rests on.

    n: independent outcomes; None where it is not known.   scoring: a glob over scoring modes; empty where a paper does
    not say.   note: what a reader must know.   file: where it was read.
    """

    model: str
    kind: Kind
    task: str
    metric: str
    value: float | None
    unit: str = "percent"
    low: float | None = None
    high: float | None = None
    n: int | None = None
    protocol: str = ""
    scoring: str = ""
    source: str = ""
    grade: str = ""
    note: str = ""
    file: Path | None = None
    record: Record | None = None

    @property
    def unreliable(self) -> str:
        """Why the interval may not hold, or an empty string."""
        measured = self.record.metrics.get(self.metric) if self.record else None
        return measured.unreliable if measured else ""

    @property
    def error(self) -> float | None:
        """Standard error: of the interval, else of a share with that n, else not known; not of an unreliable one."""
        if self.unreliable:
            return None
        if self.low is not None and self.high is not None:
            return (self.high - self.low) / (2 * Z95)
        if self.value is None or self.n is None or not metric_of(self.metric).is_proportion or not 0 <= self.value <= 1:
            return None
        low, high = wilson(self.value * self.n, self.n)
        return (high - low) / (2 * Z95)

    @property
    def separable(self) -> float | None:
        """Smallest difference that two independent models at this score would show with 80 % power."""
        measured = self.record.metrics[self.metric].separable if self.record and self.record.metrics else None
        return measured or (None if self.error is None else (Z95 + Z80) * 2**0.5 * self.error)


def display_name(record: Record) -> str:
    """Return how a table calls the model of a record: a reconstruction by its own name, never by the paper's."""
    model = record.model
    if found := RECONSTRUCTION.match(model.notice):
        return f"{found['name']}, {model.recipe}" if model.recipe else found["name"]
    return model.spec


def of_record(record: Record, metric: str, file: Path | None = None) -> Score | None:
    """Return a metric of a record; of a failed one a value that is not there, with the reason; else None."""
    name, task = display_name(record), record.task
    if record.status == "failed":
        return Score(name, "ours", task.name, metric, None, note=f"failed: {record.reason}", file=file, record=record)
    if metric not in record.metrics:
        return None
    found: MeasuredMetric = record.metrics[metric]
    unit = metric_of(metric).unit.name
    return Score(
        name, "ours", task.name, metric, found.value, unit, found.low, found.high, found.n, task.protocol,
        task.scoring, file=file, record=record,
    )  # fmt: skip

"""One number of one model on one task, from a record, a paper or another harness."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from goldieval.metrics.effective import Z95
from goldieval.metrics.intervals import Z80, wilson
from goldieval.metrics.registry import metric_of
from goldieval.records.languages import language_note
from goldieval.records.parts import MeasuredMetric
from goldieval.records.schema import Record

Kind = Literal["ours", "published", "imported"]
RECONSTRUCTION = re.compile(r"^(?P<name>[^:]+ \((reconstruction|reimplementation)\)):")


@dataclass(frozen=True)
class Score:
    """One number with its origin.

    Attributes:
        model: name of the model.
        kind: where the number comes from.
        task: name of the task.
        metric: name of the metric.
        value: a fraction if the unit is percent; None if the number exists but could not be read.
        unit: name of its unit.
        low: lower end of its interval.
        high: upper end of the interval.
        n: number of independent outcomes; None where it is not known.
        counted: what n counts where that is neither outcomes nor images, such as "items".
        protocol: protocol of the task.
        scoring: glob over scoring modes; empty where a paper does not state it.
        source: where it was published.
        grade: grade of the evidence.
        note: what a reader of the table must know.
        file: file from which it was read.
        record: record in which it was measured.
        chance: what a guess gets on these data; None where it is not known.
        ceiling: what a perfect model gets; None where it is not known.
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
    chance: float | None = None
    ceiling: float | None = None
    counted: str = ""

    @property
    def size(self) -> str:
        """Text of n, with what it counts where that is neither outcomes nor images; empty where it is not known."""
        return f"{self.n:,} {self.counted}".rstrip() if self.n else ""

    @property
    def unreliable(self) -> str:
        """Why the interval may not hold; empty where it does."""
        measured = self.record.metrics.get(self.metric) if self.record else None
        return measured.unreliable if measured else ""

    @property
    def error(self) -> float | None:
        """Standard error from the interval, else from n for a proportion; None where it is not known or unreliable."""
        if self.unreliable:
            return None
        if self.low is not None and self.high is not None:
            return (self.high - self.low) / (2 * Z95)
        if self.value is None or self.n is None or not metric_of(self.metric).is_proportion or not 0 <= self.value <= 1:
            return None
        low, high = wilson(self.value * self.n, self.n)
        return (high - low) / (2 * Z95)

    @property
    def minimum_detectable_difference(self) -> float | None:
        """Smallest difference of two independent models at this score that a test at 5 % detects with 80 % power."""
        measured = self.record.metrics[self.metric].separable if self.record and self.record.metrics else None
        return measured or (None if self.error is None else (Z95 + Z80) * 2**0.5 * self.error)


def display_name(record: Record) -> str:
    """Return the name of a record's model in tables; a reconstruction never has the name of the paper's model."""
    model = record.model
    if match := RECONSTRUCTION.match(model.notice):
        return f"{match['name']}, {model.recipe}" if model.recipe else match["name"]
    return model.spec


def of_record(record: Record, metric: str, file: Path | None = None) -> Score | None:
    """Return the score of a record in a metric; None if it has none. For a failed record, the score has no value."""
    name, task = display_name(record), record.task
    kind: Kind = "imported" if record.model.is_imported else "ours"
    if record.status == "failed":
        return Score(
            name,
            kind,
            task.name,
            metric,
            None,
            note=f"{record.outcome.lower()}: {record.reason}",
            file=file,
            record=record,
        )
    if metric not in record.metrics:
        return None
    measured: MeasuredMetric = record.metrics[metric]
    unit = metric_of(metric).unit.name
    return Score(
        name, kind, task.name, metric, measured.value, unit, measured.low, measured.high, measured.n, task.protocol,
        task.scoring, note=language_note(task), file=file, record=record, chance=measured.chance,
        ceiling=measured.ceiling,
    )  # fmt: skip

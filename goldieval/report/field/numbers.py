"""The numbers of one task and metric in the field, and the intervals that n alone allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from goldieval.metrics.effective import Z95
from goldieval.metrics.intervals import wilson
from goldieval.metrics.registry import metric_of
from goldieval.report.field.models import FieldModel
from goldieval.report.score import Score
from goldieval.report.table_sources import TableSources


@dataclass(frozen=True)
class FieldNumber:
    """One number of one model.

    Attributes:
        model: the model.
        score: the number with its origin; a fraction if its unit is percent.
        low: lower end of its 95 % interval; None where there is none.
        high: upper end of its interval.
        compared: whether it is compared with the leader: one number for each model, under the usual protocol.
    """

    model: FieldModel
    score: Score
    low: float | None
    high: float | None
    compared: bool

    @property
    def value(self) -> float:
        """The number."""
        assert self.score.value is not None  # numbers that could not be read are no part of the field
        return self.score.value

    @property
    def error(self) -> float | None:
        """Standard error; None where there is no interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / (2 * Z95)


@dataclass
class FieldColumn:
    """A task and a metric.

    Attributes:
        task: name of the task.
        metric: name of the metric.
        protocol: the usual protocol; numbers under another one are shown and not compared.
        group: the group of the task.
        title: task and metric as people call them, or the label of a suite's average.
        main: whether it is a main number of its task, not a part such as one split or one language.
        n: independent units of the set; None where they are not known.
        numbers: its numbers, the best first.
        interval_note: what its intervals rest on; empty where there are none.
    """

    task: str
    metric: str
    protocol: str
    group: str
    title: str
    main: bool
    n: int | None
    numbers: list[FieldNumber] = field(default_factory=list)
    interval_note: str = ""


def units_of(task: str, metric: str, sources: TableSources) -> int | None:
    """Return the number of independent units of a share; None for what is no share, or where n is not known."""
    stated = sources.published.size(task, metric)
    if stated is None and metric_of(metric).is_proportion and task in sources.tasks:
        return sources.tasks[task].card.expect.images
    return stated


def interval_of(score: Score, n: int | None) -> tuple[float | None, float | None]:
    """Return the interval of a number: its own if it was measured here, else Wilson's by n."""
    if score.record is not None:
        return (None, None) if score.unreliable else (score.low, score.high)
    if n is None or score.value is None or not 0 <= score.value <= 1:
        return None, None
    return wilson(score.value * n, n)


def compared_scores(scores: Sequence[Score], protocol: str, scoring: str) -> set[int]:
    """Return the ids of the scores that stand for their models: the best evidence under the usual protocol."""
    chosen: dict[str, Score] = {}
    for score in scores:
        if score.record is not None or (score.kind == "imported" and not score.protocol):
            usual = True
        else:
            usual = score.protocol == protocol and score.scoring in ("", scoring)
        if usual and score.model not in chosen:
            chosen[score.model] = score
    return {id(score) for score in chosen.values()}

"""Data efficiency: a score against how many pairs a model was trained on, and how many images it saw."""

from __future__ import annotations

from dataclasses import dataclass

from goldieval.report.numbers import label
from goldieval.report.score import Kind, display_name, of_record
from goldieval.report.settings import main_setting, setting_of
from goldieval.report.sources import Sources
from goldieval.report.table_spec import Column, TableSpec


@dataclass(frozen=True)
class Point:
    """One model. score, low, high: in percent.   unique_pairs, images_seen: None where not known."""

    name: str
    kind: Kind
    score: float
    low: float | None
    high: float | None
    unique_pairs: int | None
    images_seen: int | None


@dataclass(frozen=True)
class Efficiency:
    """Points of one column. left_out: models with a score whose training data are not known."""

    title: str
    points: list[Point]
    left_out: list[str]


def efficiency(spec: TableSpec, sources: Sources) -> Efficiency | None:
    """Return what the spec wants drawn, published models and records of the column's setting; None: no plot named."""
    if spec.plot is None:
        return None
    task, metric = spec.plot.task, spec.plot.metric
    points = [*_published(task, metric, spec, sources), *_measured(task, metric, sources)]
    known = [point for point in points if point.unique_pairs or point.images_seen]
    left_out = [point.name for point in points if not (point.unique_pairs or point.images_seen)]
    return Efficiency(f"{task}, {label(metric)}", known, left_out)


def _published(task: str, metric: str, spec: TableSpec, sources: Sources) -> list[Point]:
    protocols = {
        column.protocol
        for panel in spec.panels
        for column in panel.columns
        if isinstance(column, Column) and (column.task, column.metric) == (task, metric) and column.protocol
    }
    points = []
    for about in sources.published.models.values():
        for score in sources.published.find(about.name, task, metric):  # best evidence first
            fits = not protocols or score.protocol in protocols
            if fits and score.value is not None and score.unit == "percent":
                value = 100 * score.value
                points.append(Point(about.name, "published", value, None, None, about.unique_pairs, about.images_seen))
                break
    return points


def _measured(task: str, metric: str, sources: Sources) -> list[Point]:
    records = [record for _, record in sources.records if record.task.name == task and metric in record.metrics]
    main = main_setting([setting_of(record) for record in records], sources.protocol(task))
    points = []
    for record in records:
        score = of_record(record, metric)
        if setting_of(record) != main or not main.whole or score is None or score.value is None:
            continue
        low, high = (None if end is None else 100 * end for end in (score.low, score.high))
        whose = record.model
        points.append(
            Point(display_name(record), "ours", 100 * score.value, low, high, whose.unique_pairs, whose.images_seen)
        )
    return points

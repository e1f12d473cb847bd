"""Data efficiency: scores against the number of training pairs and of images seen."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from goldieval.records.schema import Record
from goldieval.report.numbers import label
from goldieval.report.score import Kind, display_name, of_record
from goldieval.report.settings import Setting, main_setting, scoring_name, setting_of
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import Column, TableSpec


@dataclass(frozen=True)
class EfficiencyPoint:
    """One model.

    Attributes:
        name: name of the model.
        kind: where the score comes from.
        score: score in percent.
        low: lower end of its interval in percent; None where there is none.
        high: upper end of the interval.
        unique_pairs: distinct training pairs; None where not known.
        images_seen: images that training saw; None where not known.
        other_scoring: its scoring mode, if it differs from that of the other points; else empty.
    """

    name: str
    kind: Kind
    score: float
    low: float | None
    high: float | None
    unique_pairs: int | None
    images_seen: int | None
    other_scoring: str = ""

    @property
    def label(self) -> str:
        """The text beside its point."""
        return f"{self.name} ({self.other_scoring})" if self.other_scoring else self.name


@dataclass(frozen=True)
class Efficiency:
    """The points of one column.

    Attributes:
        title: task and metric.
        points: the models.
        left_out: models with a score model training data are not known.
    """

    title: str
    points: list[EfficiencyPoint]
    left_out: list[str]


def efficiency(spec: TableSpec, sources: TableSources) -> Efficiency | None:
    """Return the plot of a table: published models and the records of the column's setting; None if it has no plot."""
    if spec.plot is None:
        return None
    task, metric = spec.plot.task, spec.plot.metric
    points = [*_published(task, metric, spec, sources), *_measured(task, metric, sources)]
    placed = [point for point in points if point.unique_pairs or point.images_seen]
    left_out = [point.name for point in points if not (point.unique_pairs or point.images_seen)]
    return Efficiency(f"{task}, {label(metric)}", placed, left_out)


def _published(task: str, metric: str, spec: TableSpec, sources: TableSources) -> list[EfficiencyPoint]:
    """Return published models, labelled where their scoring mode differs from that of the records or of most models."""
    main = _main(task, metric, sources)
    usual = sources.published.usual_protocol(task, metric, main.scoring if main else "")
    scoring = main.scoring if main else sources.published.usual_scoring(task, metric, usual)
    protocols = {
        column.protocol
        for panel in spec.panels
        for column in panel.columns
        if isinstance(column, Column) and (column.task, column.metric) == (task, metric) and column.protocol
    }
    points = []
    for model in sources.published.models.values():
        for score in sources.published.find(model.name, task, metric):  # best evidence first
            fits = not protocols or score.protocol in protocols
            if fits and score.value is not None and score.unit == "percent":
                value = 100 * score.value
                other = "" if fnmatch.fnmatchcase(scoring, score.scoring) else scoring_name(score.scoring)
                training_data = (model.unique_pairs, model.images_seen)
                points.append(
                    EfficiencyPoint(model.name, "published", value, None, None, *training_data, other_scoring=other)
                )
                break
    return points


def _records(task: str, metric: str, sources: TableSources) -> list[Record]:
    return [record for _, record in sources.records if record.task.name == task and metric in record.metrics]


def _main(task: str, metric: str, sources: TableSources) -> Setting | None:
    settings = [setting_of(record) for record in _records(task, metric, sources)]
    return main_setting(settings, sources.protocol(task))


def _measured(task: str, metric: str, sources: TableSources) -> list[EfficiencyPoint]:
    main = _main(task, metric, sources)
    points = []
    for record in _records(task, metric, sources):
        score = of_record(record, metric)
        if main is None or setting_of(record) != main or not main.whole or score is None or score.value is None:
            continue
        low, high = (None if end is None else 100 * end for end in (score.low, score.high))
        model = record.model
        points.append(
            EfficiencyPoint(
                display_name(record), "ours", 100 * score.value, low, high, model.unique_pairs, model.images_seen
            )
        )
    return points

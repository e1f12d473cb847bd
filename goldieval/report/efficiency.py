"""Data efficiency: scores against the number of training pairs and of images seen."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from goldieval.core.text import shell_argument
from goldieval.report.efficiency_column import chosen_column
from goldieval.report.efficiency_measured import is_called, measured_points, records_of
from goldieval.report.efficiency_point import EfficiencyPoint
from goldieval.report.numbers import label
from goldieval.report.settings import scoring_name
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import Column, TableSpec

AXES = {"unique_pairs": "unique image-text pairs", "images_seen": "images seen in training"}


@dataclass(frozen=True)
class Efficiency:
    """The points of one column.

    Attributes:
        title: task and metric.
        points: the models whose training data are known.
        left_out: published and imported models whose training data are not known.
        missing: one line for each measured model that is not among the points, with the reason.
        chance: chance level in percent; None where it is not known.
        unmatched: patterns of labels and of training data that no model has.
    """

    title: str
    points: list[EfficiencyPoint]
    left_out: list[str]
    missing: list[str] = field(default_factory=list)
    chance: float | None = None
    unmatched: list[str] = field(default_factory=list)

    def on(self, axis: str) -> list[EfficiencyPoint]:
        """Return the points with a known place on an axis, those on the Pareto frontier marked."""
        placed = [point for point in self.points if getattr(point, axis)]
        front = {id(point) for point in _frontier(placed, axis)}
        return [replace(point, frontier=id(point) in front) for point in placed]


def efficiency(spec: TableSpec, sources: TableSources) -> Efficiency | None:
    """Return the plot of a table: published models and the records of the column's setting; None if it has no plot."""
    column = chosen_column(spec, sources)
    if spec.plot is None or column is None:
        return None
    task, metric = column
    points, missing, main = measured_points(task, metric, spec, sources)
    scoring = main.scoring if main else ""
    published = _published(task, metric, scoring, spec, sources)
    imported = _imported(task, metric, {point.name for point in published}, sources)  # below the others
    everything = [replace(point, asked=_asked(point, spec.plot.labels)) for point in [*imported, *published, *points]]
    placed = [point for point in everything if point.unique_pairs or point.images_seen]
    unknown = [point for point in everything if not (point.unique_pairs or point.images_seen)]
    missing += [f"{point.name}: {_how_to_place(point)}" for point in unknown if point.kind == "ours"]
    left_out = [point.name for point in unknown if point.kind != "ours"]
    unmatched = [
        f"--label {pattern}"
        for pattern in spec.plot.labels
        if not any(_asked(point, [pattern]) for point in everything)
    ]
    records = records_of(task, metric, sources)
    unmatched += [
        f"--trained {pattern}"
        for pattern in spec.plot.trained
        if not any(is_called(record, pattern) for record in records)
    ]
    title = sources.averages[task].label if task in sources.averages else f"{task}, {label(metric)}"
    return Efficiency(title, placed, left_out, missing, _chance(task, metric, sources), unmatched)


def _how_to_place(point: EfficiencyPoint) -> str:
    argument = shell_argument(f"{point.spec}=PAIRS,SEEN")
    return f"its record states no training data; with --trained {argument} it is shown"


def _asked(point: EfficiencyPoint, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in (point.name, point.spec))


def _frontier(points: Sequence[EfficiencyPoint], axis: str) -> list[EfficiencyPoint]:
    """Return the points that none of less or equal training data surpasses; other scoring modes are not compared."""
    compared = [point for point in points if not point.other_scoring]
    front: list[EfficiencyPoint] = []
    for point in sorted(compared, key=lambda point: (getattr(point, axis), -point.score)):
        if not front or point.score > front[-1].score:
            front.append(point)
    return front


def _chance(task: str, metric: str, sources: TableSources) -> float | None:
    """Return the chance level in percent, of a record or of the card; None where it is not known."""
    measured = [record.metrics[metric].chance for record in records_of(task, metric, sources)]
    card = sources.tasks[task].card if task in sources.tasks else None
    stated = [card.chance] if card is not None and card.headline == metric else []
    known = [chance for chance in [*measured, *stated] if chance is not None]
    return 100 * known[0] if known else None


def _published(task: str, metric: str, scoring: str, spec: TableSpec, sources: TableSources) -> list[EfficiencyPoint]:
    """Return published models, labelled where their scoring mode differs from that of the records or of most models."""
    usual = sources.published.usual_protocol(task, metric, scoring)
    scoring = scoring or sources.published.usual_scoring(task, metric, usual)
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
                other = "" if fnmatch.fnmatchcase(scoring, score.scoring) else scoring_name(score.scoring)
                points.append(
                    EfficiencyPoint(
                        model.name,
                        "published",
                        100 * score.value,
                        None,
                        None,
                        model.unique_pairs,
                        model.images_seen,
                        other_scoring=other,
                        spec=model.spec,
                    )
                )
                break
    return points


def _imported(task: str, metric: str, published: set[str], sources: TableSources) -> list[EfficiencyPoint]:
    """Return imported scores of models that have no published one, with the training data of the same weights."""
    points: dict[str, EfficiencyPoint] = {}
    for score in sources.imported:
        if (score.task, score.metric) != (task, metric) or score.value is None or score.unit != "percent":
            continue
        known = sources.published.named(score.model)
        name, spec = (known.name, known.spec) if known else (score.model, "")
        data = (known.unique_pairs, known.images_seen) if known else (None, None)
        if name not in published:
            points.setdefault(name, EfficiencyPoint(name, "imported", 100 * score.value, None, None, *data, spec=spec))
    return list(points.values())

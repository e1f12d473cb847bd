"""The field: all columns with their numbers, from published, imported and measured results."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from goldieval.metrics.effective import Z95
from goldieval.metrics.registry import metric_of
from goldieval.report.field import average
from goldieval.report.field.models import FieldModel, model_of
from goldieval.report.field.numbers import FieldColumn, FieldNumber, compared_scores, interval_of, units_of
from goldieval.report.published import GRADES
from goldieval.report.score import Score, of_record
from goldieval.report.settings import setting_of
from goldieval.report.table_sources import TableSources

MAIN = (
    "average", "accuracy", "mean_accuracy", "acc1", "mean_per_class_recall", "t2i_r1", "i2t_r1", "mean_r1",
    "text_score", "image_score", "group_score", "miou", "jaccard_10_12", "macro_f1",
)  # fmt: skip
"""Metrics that are main numbers of a task without a card."""

FROM_N = "from n alone: the shares of independent outcomes"
SAME = 0.000051
"""An imported fraction that is a published one, which has two digits of a percentage."""

AVERAGES, OTHER_GROUP = "averages", "other sets"


@dataclass(frozen=True)
class Field:
    """Everything that is known.

    Attributes:
        columns: one for each task and metric, by group and name.
        repeated: imported numbers that are published ones, which stand there once.
    """

    columns: list[FieldColumn]
    repeated: int = 0


def field_of(sources: TableSources) -> Field:
    """Collect the field: every published number, imported results, and records of whole tasks on real data."""
    by_column: dict[tuple[str, str], list[tuple[Score, FieldModel]]] = defaultdict(list)
    published: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    models: dict[tuple[str, str], FieldModel] = {}
    repeated = 0
    for score in [*_measured(sources), *_best_first(sources.published.scores), *sources.imported]:
        if score.value is None:
            continue
        key = score.model, score.record.model.fingerprint if score.record else ""
        model = models[key] = models.get(key) or model_of(score, sources.published)
        printed = published[model.name, score.task, score.metric]
        if score.kind == "published":
            printed.append(score.value)
        if score.kind == "imported" and any(abs(value - score.value) < SAME for value in printed):
            repeated += 1
            continue
        by_column[score.task, score.metric].append((replace(score, model=model.name), model))
    columns = [_column(task, metric, cells, sources) for (task, metric), cells in by_column.items()]
    _set_main(columns, sources)
    _set_averages(columns, sources)
    return Field(sorted(columns, key=_order), repeated)


def _measured(sources: TableSources) -> Iterable[Score]:
    for file, record in sources.records:
        if record.status == "failed" or sources.made_here(record.task.name) or not setting_of(record).whole:
            continue
        for metric in record.metrics:
            if score := of_record(record, metric, file):
                yield score


def _best_first(scores: Iterable[Score]) -> list[Score]:
    return sorted(scores, key=lambda score: GRADES.index(score.grade))


def _column(task: str, metric: str, cells: list[tuple[Score, FieldModel]], sources: TableSources) -> FieldColumn:
    published = sources.published
    protocol = published.usual_protocol(task, metric, "global") or next((score.protocol for score, _ in cells), "")
    scoring = published.usual_scoring(task, metric, protocol)
    n = units_of(task, metric, sources)
    chosen = compared_scores([score for score, _ in cells], protocol, scoring)
    numbers = [FieldNumber(model, score, *interval_of(score, n), id(score) in chosen) for score, model in cells]
    best_first = sorted(numbers, key=lambda number: number.value, reverse=not metric_of(metric).lower_is_better)
    note = FROM_N if any(number.low is not None for number in numbers) else ""
    suite = sources.averages.get(task)
    title = suite.label if suite else f"{task}, {metric_of(metric).label}"
    return FieldColumn(task, metric, protocol, _group(task, sources), title, False, n, best_first, note)


def _group(task: str, sources: TableSources) -> str:
    if task in sources.averages:
        return AVERAGES
    tags = sources.tasks[task].card.tags if task in sources.tasks else []
    return tags[0] if tags else OTHER_GROUP


def _set_main(columns: list[FieldColumn], sources: TableSources) -> None:
    """Mark the main numbers of each task: its headline, and those of MAIN that nearly as many models have."""
    most: Counter[str] = Counter()
    for column in columns:
        most[column.task] = max(most[column.task], len(column.numbers) if column.metric in MAIN else 0)
    for column in columns:
        card = sources.tasks[column.task].card if column.task in sources.tasks else None
        usual = column.metric in MAIN and 2 * len(column.numbers) >= most[column.task]
        column.main = usual or (card is not None and column.metric == card.headline)


def _order(column: FieldColumn) -> tuple[bool, str, str, int, str]:
    """Return where a column stands: sets without a group last, main metrics of a task first."""
    place = MAIN.index(column.metric) if column.metric in MAIN else len(MAIN)
    return column.group == OTHER_GROUP, column.group, column.task, place, column.metric


def _set_averages(columns: list[FieldColumn], sources: TableSources) -> None:
    """Give averages of suites their intervals, for models of which every member is there."""
    scores: dict[str, dict[average.Name, float]] = defaultdict(dict)
    for column in columns:
        for number in column.numbers:
            scores[number.model.name].setdefault((column.task, column.metric), number.value)
    for column in [column for column in columns if column.task in sources.averages]:
        suite = sources.averages[column.task]
        for place, number in enumerate(column.numbers):
            error = average.average_error(suite, scores[number.model.name], sources)
            if error is not None and number.score.record is None:
                ends = number.value - Z95 * error, number.value + Z95 * error
                column.numbers[place] = replace(number, low=ends[0], high=ends[1])
        column.interval_note = average.NOTE

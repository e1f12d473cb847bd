"""The column that the data-efficiency plot shows: where there are own results, else the most published one."""

from __future__ import annotations

from goldieval.metrics.registry import metric_of
from goldieval.metrics.units import PERCENT
from goldieval.report.efficiency_measured import records_of, training_data
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import Column, TableSpec


def chosen_column(spec: TableSpec, sources: TableSources) -> tuple[str, str] | None:
    """Return task and metric of the plot; None where the table has no plot or nothing to plot.

    A specification may name them. Otherwise, it is the column of the table with the most measured models whose
    training data are known, then with the most measured models, then the average of a suite, then the one with the
    most published models of known training data; the first one of several. A table without columns is plotted for a
    suite's average or the most published headline metric.
    """
    if spec.plot is None:
        return None
    if spec.plot.task:
        return spec.plot.task, spec.plot.metric
    candidates = _columns(spec, sources) or sorted(sources.published.columns)
    candidates = [column for column in candidates if metric_of(column[1]).unit is PERCENT]  # the unit of its axis
    return max(candidates, key=lambda column: _known(column, spec, sources), default=None)


def _columns(spec: TableSpec, sources: TableSources) -> list[tuple[str, str]]:
    columns = [
        (column.task, column.metric) for panel in spec.panels for column in panel.columns if isinstance(column, Column)
    ]
    if any(panel.columns == "records" for panel in spec.panels):
        headlines = {(record.task.name, record.task.headline) for _, record in sources.records}
        columns += [each for each in sorted(headlines) if sources.made_here(each[0]) == spec.made_here]
    return columns


def _known(column: tuple[str, str], spec: TableSpec, sources: TableSources) -> tuple[int, int, bool, int, bool]:
    """Return how much is known of a column: measured models with training data, measured models, published ones.

    Before published models are counted, the average of a suite is preferred to single sets.
    """
    task, metric = column
    records = records_of(task, metric, sources)
    placed = sum(any(training_data(record, spec, sources)) for record in records)
    models = sources.published.models
    published = {
        score.model
        for score in sources.published.scores
        if (score.task, score.metric) == column and score.value is not None and score.unit == "percent"
    }
    known = sum(bool(models[name].unique_pairs or models[name].images_seen) for name in published)
    headline = task in sources.tasks and sources.tasks[task].card.headline == metric
    return placed, len(records), task in sources.averages and known > 1, known, headline

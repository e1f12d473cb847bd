"""Records as one table, or as stacked lines where the window is too narrow; nothing is truncated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType

from goldieval.core.display import Console, Text
from goldieval.metrics.registry import metric_of
from goldieval.records.schema import Record
from goldieval.report.columns import Columns
from goldieval.report.formats.footer import MDD
from goldieval.report.numbers import interval, label, value

Selected = Sequence[tuple[Record, list[str]]]


def scores(records: Sequence[Record], console: Console, every_metric: bool = False) -> list[RenderableType]:
    """Return the scores of one model's records, grouped by heading, with the protocol of each task.

    Args:
        records: records of one model.
        console: console whose width determines the layout.
        every_metric: whether all metrics are shown, not only those of the summary.
    """
    parts: list[RenderableType] = []
    scored = [record for record in records if record.metrics]
    for heading, group in groupby(sorted(scored, key=lambda record: record.task.heading), lambda r: r.task.heading):
        selected = [(record, _names(record, every_metric)) for record in group]
        parts += [Text(heading, "bold yellow")] if heading else []
        table = _wide(selected)
        parts += [*([table] if table.width <= console.width else _narrow(selected)), *_protocols(selected)]
    return parts + ([Text(MDD, "dim")] if scored else [])


def _names(record: Record, every: bool) -> list[str]:
    """Return the metrics of a record to show: by default the summary, the headline, and that of each stratum."""
    if every:
        return list(record.metrics)
    headline, metrics = record.task.headline, [metric_of(name) for name in record.metrics]
    names = [metric.name for metric in metrics if metric.in_summary or metric.name == headline]
    return names + [metric.name for metric in metrics if metric.stratum and metric.whole == headline]


def _wide(selected: Selected) -> Columns:
    table = Columns(("task", "metric", "score", "95 %", "n", "chance", "ceiling", "MDD"), left=2)
    for record, names in selected:
        for row, name in enumerate(names):
            metric = record.metrics[name]
            cells = (
                record.task.name if row == 0 else "",
                label(name),
                value(name, metric.value),
                interval(name, metric),
                f"{metric.n:,}",
                value(name, metric.chance),
                value(name, metric.ceiling),
                value(name, metric.separable),
            )
            table.add_row(cells, bold=3 if name == record.task.headline else 1)
    return table


def _narrow(selected: Selected) -> Iterator[Text]:
    for record, names in selected:
        yield Text(record.task.name, "bold")
        for name in names:
            metric = record.metrics[name]
            yield Text(f"  {label(name)} {value(name, metric.value)} [{interval(name, metric)}] n {metric.n:,}")
            references = [("chance", metric.chance), ("ceiling", metric.ceiling), ("MDD", metric.separable)]
            yield Text("    " + ", ".join(f"{what} {value(name, number)}" for what, number in references), "dim")


def _protocols(selected: Selected) -> Iterator[Text]:
    for record, names in selected:
        task = record.task
        yield Text(f"{task.name}: {task.protocol}; {task.scoring} scoring", "dim")
        if task.subset:
            yield Text("  only the images that are present; not comparable with the whole task", "yellow")
        if task.limit:
            yield Text(f"  a subset of {task.limit:,} images, comparable only with the same subset", "yellow")
        if record.status == "partial":
            yield Text(f"  PARTIAL: {record.reason}", "red")
        yield from (
            Text(f"  warning: {warning}", "yellow") for warning in [*record.warnings, *interval_warnings(record, names)]
        )


def interval_warnings(record: Record, names: Sequence[str]) -> list[str]:
    """Return one line for each reason why intervals of these metrics are unreliable or missing."""
    by_reason: dict[str, list[str]] = {}
    for name in names:
        metric = record.metrics[name]
        what = "no interval" if metric.low is None else "interval unreliable"
        if metric.unreliable:
            by_reason.setdefault(f"{what}: {metric.unreliable}", []).append(label(name))
    return [f"{', '.join(which)}: {reason}" for reason, which in by_reason.items()]

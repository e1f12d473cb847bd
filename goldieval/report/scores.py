"""Records as one table, with fewer columns where the window is narrow, and as stacked lines as the last resort."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType

from goldieval.core.display import Console, Text
from goldieval.metrics.registry import metric_of
from goldieval.records.parts import MeasuredMetric
from goldieval.records.schema import Record
from goldieval.records.summary import of_several_versions
from goldieval.report.columns import Columns
from goldieval.report.formats.footer import MDD
from goldieval.report.numbers import chance, interval, label, value

WHERE = "a wider terminal or goldieval show --json shows them"
UNRELIABLE = "?"
"""Follows an interval that may not hold; a warning below the table says why."""
MOST_SEEDS = 5  # whose scores are shown

TEXT_ALONE = "text alone: the same model, with the mean of all images in place of every image"

DISPENSABLE = ("MDD", "ceiling", "n")
"""Headings that are left out where the window is too narrow, in this order."""

COLUMNS: dict[str, tuple[Callable[[str, MeasuredMetric], str], str]] = {
    "score": (lambda name, metric: value(name, metric.value), ""),
    "95 %": (lambda name, metric: interval(name, metric).replace(" unreliable", UNRELIABLE), ""),
    "n": (lambda name, metric: f"{metric.n:,}", ""),
    "chance": (lambda name, metric: chance(name, metric.chance), ""),
    "text alone": (lambda name, metric: value(name, metric.blind), "blind"),
    "ceiling": (lambda name, metric: value(name, metric.ceiling), "ceiling"),
    "MDD": (lambda name, metric: value(name, metric.separable), "separable"),
}
"""How each column is printed, and the field without which it is empty."""

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
    explained = False
    for heading, group in groupby(sorted(scored, key=lambda record: record.task.heading), lambda r: r.task.heading):
        selected = [(record, _names(record, every_metric)) for record in group]
        table, left_out = _fitting(selected, console.width)
        parts += [Text(heading, "bold yellow")] if heading else []
        parts += [table] if table else _stacked(selected)
        parts += [Text(f"left out: {', '.join(left_out)}; {WHERE}", "dim")] if left_out else []
        parts += _protocols(selected, every_metric)
        explained |= "MDD" not in left_out
    blind = any(metric.blind is not None for record in scored for metric in record.metrics.values())
    return parts + [Text(line, "dim") for line, applies in ((TEXT_ALONE, blind), (MDD, explained)) if applies]


def _fitting(selected: Selected, width: int) -> tuple[Columns | None, list[str]]:
    """Return a table that fits and the columns that it lacks: fewer columns first, then tasks in lines of their own.

    Columns in which nothing is known are left out without a word. Without a table that fits, it is None.
    """
    metrics = [record.metrics[name] for record, names in selected for name in names]
    known = [
        heading
        for heading, (_, field) in COLUMNS.items()
        if not field or any(getattr(one, field) is not None for one in metrics)
    ]
    for table_of in (_table, _table_of_tasks):
        for count in range(len(DISPENSABLE) + 1):
            left_out = [heading for heading in DISPENSABLE[:count] if heading in known]
            table = table_of(selected, [heading for heading in known if heading not in left_out])
            if table.width <= width:
                return table, left_out
    return None, []


def _names(record: Record, every: bool) -> list[str]:
    """Return the metrics of a record to show: by default the headline, the summary, and the same of each stratum."""
    if every:
        return list(record.metrics)
    headline, metrics = record.task.headline, [metric_of(name) for name in record.metrics]
    whole = metric_of(headline).whole
    names = [headline] if headline in record.metrics else []
    names += [metric.name for metric in metrics if metric.in_summary]
    names += [metric.name for metric in metrics if metric.stratum and metric.whole == whole]
    return list(dict.fromkeys(names))


def _table(selected: Selected, shown: Sequence[str]) -> Columns:
    """Return the scores under some of the headings."""
    table = Columns(("task", "metric", *shown), left=2)
    for record, names in selected:
        for row, name in enumerate(names):
            cells = _cells(name, record.metrics[name], shown)
            headline = name == record.task.headline
            table.add_row((record.task.name if row == 0 else "", label(name), *cells), bold=3 if headline else 1)
    return table


def _table_of_tasks(selected: Selected, shown: Sequence[str]) -> Columns:
    """Return the same with each task in a line of its own, which is narrower."""
    table = Columns(("task, metric", *shown), left=1)
    for record, names in selected:
        table.add_row((record.task.name, *("" for _ in shown)), bold=1)
        for name in names:
            cells = _cells(name, record.metrics[name], shown)
            table.add_row((f"  {label(name)}", *cells), bold=2 if name == record.task.headline else 0)
    return table


def _cells(name: str, metric: MeasuredMetric, shown: Sequence[str]) -> Iterator[str]:
    return (COLUMNS[heading][0](name, metric) for heading in shown)


def _stacked(selected: Selected) -> Iterator[Text]:
    for record, names in selected:
        yield Text(record.task.name, "bold")
        for name in names:
            metric = record.metrics[name]
            yield Text(f"  {label(name)} {value(name, metric.value)} [{interval(name, metric)}] n {metric.n:,}")
            references = [("text alone", metric.blind), ("ceiling", metric.ceiling), ("MDD", metric.separable)]
            known = [f"{what} {value(name, number)}" for what, number in references if number is not None]
            yield Text("    " + ", ".join([f"chance {chance(name, metric.chance)}", *known]), "dim")


def _protocols(selected: Selected, details: bool) -> Iterator[Text]:
    mixed = of_several_versions(record for record, _ in selected)
    for record, names in selected:
        task = record.task
        version = f"; version {task.version} of the task" if task.name in mixed else ""
        yield Text(f"{task.name}: {_protocol(record)}; {task.scoring} scoring{version}", "dim")
        yield from (Text(f"  {line}", "dim") for line in seed_lines(record))
        yield from (Text(f"  {line}", "dim") for line in calibration_lines(record) if details)
        yield from (Text(f"  written beside the record: {name}") for name in record.files)
        if task.subset:
            yield Text("  only the images that are present; not comparable with the whole task", "yellow")
        if task.limit:
            yield Text(f"  a subset of {task.limit:,} images, comparable only with the same subset", "yellow")
        if record.status == "partial":
            yield Text(f"  PARTIAL: {record.reason}", "red")
        yield from (
            Text(f"  warning: {warning}", "yellow") for warning in [*record.warnings, *interval_warnings(record, names)]
        )


def _protocol(record: Record) -> str:
    """Return the protocol; of an average with its title and how its interval was obtained."""
    task = record.task
    if not record.is_average or record.headline is None:
        return task.protocol
    return f"{task.title}; {task.protocol}; interval: {record.headline.method}"


def interval_warnings(record: Record, names: Sequence[str]) -> list[str]:
    """Return one line for each reason why intervals of these metrics are unreliable or missing."""
    by_reason: dict[str, list[str]] = {}
    for name in names:
        metric = record.metrics[name]
        what = "no interval" if metric.low is None else "interval unreliable"
        if metric.unreliable:
            by_reason.setdefault(f"{what}: {metric.unreliable}", []).append(label(name))
    return [f"{', '.join(which)}: {reason}" for reason, which in by_reason.items()]


def seed_lines(record: Record) -> list[str]:
    """Return the scores of seeds whose mean is the headline, and how much images and seeds contribute to its error."""
    metric, name = record.headline, record.task.headline
    if metric is None or not metric.seed_scores:
        return []
    scores = ", ".join(value(name, score) for score in metric.seed_scores[:MOST_SEEDS])
    more = " ..." if len(metric.seed_scores) > MOST_SEEDS else ""
    errors = [
        f"{value(name, error)} by the choice of {source}"
        for error, source in ((metric.sample_error, "images"), (metric.seed_error, "seeds"))
        if error is not None
    ]
    spread = f"; standard error {', '.join(errors)}" if errors else ""
    return [f"{label(name)} of {len(metric.seed_scores)} seeds: {scores}{more}{spread}"]


def calibration_lines(record: Record) -> list[str]:
    """Return what the probabilities of a classification are, by how much its binned errors are biased, what lacks."""
    found = record.calibration
    if found is None:
        return []
    if not found.probabilities:
        return [f"no calibration: {found.missing}"]
    biases = ", ".join(
        f"{label(name)} +{value(name, bias)}" for name, bias in found.bias.items() if name in record.metrics
    )
    line = f"calibration: {found.probabilities}; expected bias of the binned errors: {biases}"
    return [line, *([found.missing] if found.missing else [])]

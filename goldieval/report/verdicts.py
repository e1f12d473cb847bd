"""A comparison on the terminal: one row per test, with fewer columns where the window is narrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.console import RenderableType
from rich.measure import Measurement
from rich.table import Table

from goldieval.comparison.pairs import Pair
from goldieval.comparison.result import Comparison, MetricComparison, models
from goldieval.comparison.sides import Side
from goldieval.core.display import Console, Text
from goldieval.report.numbers import chance, label, value
from goldieval.report.short_names import shortened

STYLES = {"better": "bold green", "worse": "bold red", "not separable": "yellow"}


CELLS: dict[str, Callable[[MetricComparison, Pair], str]] = {
    "A": lambda row, _: value(row.metric, row.a),
    "B": lambda row, _: value(row.metric, row.b),
    "chance": lambda row, pair: _chance(row, pair),
    "B-A": lambda row, _: signed(row.metric, row.difference),
    "95 %": lambda row, _: interval_text(row, " "),
    "p": lambda row, _: p_value(row.p),
    "MDD": lambda row, _: value(row.metric, row.minimum_detectable_difference),
}
"""How the numbers of a row are printed, by heading."""

DISPENSABLE = ("MDD", "p", "chance")
"""Headings that are left out where the window is too narrow, in this order."""

NARROWEST_NAMES = 12


def verdicts(comparison: Comparison, console: Console) -> list[RenderableType]:
    """Return the models, the verdict on every task, and what was not compared."""
    table, left_out = _fitting(comparison, console)
    hint = (
        f"left out: {', '.join(name for name in left_out if name != 'chance')}; a wider terminal or --json shows them"
    )
    return [
        *_models("A", comparison.a),
        *_models("B", comparison.b),
        Text(),
        *([table] if table else _narrow(comparison)),
        *([Text(hint, "dim")] if left_out else []),
        *([Text(_chances(comparison), "dim")] if "chance" in left_out else []),
        Text(),
        *_remarks(comparison),
        *(Text(f"not compared, {line}", "red", whole=True) for line in comparison.refused),
        *(Text(line, "dim", whole=True) for line in comparison.notes),
        Text(summary(comparison.rows), "bold"),
    ]


def _fitting(comparison: Comparison, console: Console) -> tuple[Table | None, list[str]]:
    """Return a table that fits and the columns that it lacks: fewer columns first, then shorter names of the tasks.

    Without a table that fits, it is None.
    """
    names = list(dict.fromkeys(row.task for row in comparison.rows))
    whole = {name: name for name in names}
    width = 0
    for count in range(len(DISPENSABLE) + 1):
        left_out = list(DISPENSABLE[:count])
        table = _wide(comparison, whole, left_out)
        width = Measurement.get(console, console.options.update(max_width=1000), table).maximum
        if width <= console.width:
            return table, left_out
    room = max(map(cell_len, names), default=0) - (width - console.width)
    if room < NARROWEST_NAMES:
        return None, []
    return _wide(comparison, shortened(names, room, Text("…").plain), left_out), left_out


def summary(rows: Sequence[MetricComparison]) -> str:
    """Return the verdicts in one line.

    >>> summary([])
    'B against A: 0 better, 0 worse, 0 not separable'
    """
    words = [f"{sum(row.verdict == verdict for row in rows)} {verdict}" for verdict in STYLES]
    return f"B against A: {', '.join(words)}"


def signed(metric: str, number: float) -> str:
    """Return a difference with its sign.

    >>> signed("acc1", 0.0123), signed("t2i_mean_rank", -3.0)
    ('+1.2', '-3.0')
    """
    return ("+" if number >= 0 else "-") + value(metric, abs(number))


def p_value(p: float) -> str:
    """Return a p-value as text.

    >>> p_value(0.00001), p_value(0.0312), p_value(0.5)
    ('<0.001', '0.031', '0.50')
    """
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def interval_text(row: MetricComparison, between: str = " to ") -> str:
    """Return the interval of a difference as text; ``none`` where there is none."""
    if row.low is None or row.high is None:
        return "none"
    suffix = " unreliable" if row.unreliable else ""
    return f"{signed(row.metric, row.low)}{between}{signed(row.metric, row.high)}{suffix}"


def _models(name: str, side: Side) -> Iterator[Text]:
    described = models(side)
    last = described[-1]
    more = f", and {len(described) - 1} more" if len(described) > 1 else ""
    yield Text(f"{name}  {last['spec']}  {last['fingerprint'][:8]}  {last['precision']}{more}", "bold")
    for notice in dict.fromkeys(model["notice"] for model in described if model["notice"]):
        yield Text(f"   {notice}", "yellow")


def _wide(comparison: Comparison, names: Mapping[str, str], left_out: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    shown = [name for name in CELLS if name not in left_out]
    for name in ("task", "metric", *shown, "B is"):
        table.add_column(name, justify="left" if name in ("task", "metric", "B is") else "right", no_wrap=True)
    last = ""
    for row, pair in zip(comparison.rows, comparison.pairs, strict=True):
        cells = (CELLS[name](row, pair) for name in shown)
        task = names[row.task] if row.task != last else ""
        table.add_row(Text(task, "bold"), Text(label(row.metric)), *cells, Text(row.verdict, STYLES[row.verdict]))
        last = row.task
    return table


def _chance(row: MetricComparison, pair: Pair) -> str:
    measured = pair.a.record.metrics.get(row.metric)
    return chance(row.metric, measured.chance if measured else None)


def _chances(comparison: Comparison) -> str:
    """Return the chance level of every row, for a table without that column."""
    rows = zip(comparison.rows, comparison.pairs, strict=True)
    return f"chance: {'; '.join(f'{row.task} {label(row.metric)} {_chance(row, pair)}' for row, pair in rows)}"


def _narrow(comparison: Comparison) -> Iterator[Text]:
    for row, pair in zip(comparison.rows, comparison.pairs, strict=True):
        yield Text.assemble((f"{row.task} {label(row.metric)}: ", "bold"), (row.verdict, STYLES[row.verdict]))
        scores = f"A {value(row.metric, row.a)}, B {value(row.metric, row.b)}, chance {_chance(row, pair)}"
        yield Text(f"  {scores}: {signed(row.metric, row.difference)} ({interval_text(row)})")
        yield Text(f"  p {p_value(row.p)}, MDD {value(row.metric, row.minimum_detectable_difference)}", "dim")


def _remarks(comparison: Comparison) -> Iterator[Text]:
    """Yield lines about tests, samples, seeds and subsets."""
    rows = comparison.rows
    pairs = {(row.task, row.metric): pair for row, pair in zip(rows, comparison.pairs, strict=True)}
    adjustment = f"p adjusted for {len(rows)} tests (Holm)" if len(rows) > 1 else "one test"
    yield Text(f"{adjustment}; MDD: minimum detectable difference, with 80 % power", "dim")
    for (task, method), group in groupby(rows, lambda row: (row.task, row.method)):
        row = next(group)
        of = f"{row.n:,} queries" + (f" in {row.clusters:,} clusters" if row.clusters != row.n else "")
        yield Text(f"{task}: {row.protocol}; {method}, {of}", "dim")
        if row.heading:
            yield Text(f"  {row.heading}", "yellow")
        if row.limit:
            yield Text(f"  a subset of {row.limit:,} images", "yellow")
        if row.note:
            yield Text(f"  {row.note}", "yellow")
        if row.unreliable:
            what = "no interval" if row.low is None else "interval unreliable"
            yield Text(f"  {label(row.metric)}: {what}: {row.unreliable}", "yellow")
        if alone := text_alone(row, pairs[row.task, row.metric]):
            yield Text(f"  {alone}", "dim")
        if row.gains is not None:
            yield Text(f"  {label(row.metric)}: B gains {row.gains:,} queries and loses {row.losses:,}", "dim")
        if row.seed_error is not None and row.sample_error is not None:
            yield Text(f"  {_seeds(row)}")


def text_alone(row: MetricComparison, pair: Pair) -> str:
    """Return what both models score on the texts alone, where both records have it."""
    blind = [each.record.metrics[row.metric].blind for each in (pair.a, pair.b)]
    if None in blind:
        return ""
    return f"{label(row.metric)}: text alone A {value(row.metric, blind[0])}, B {value(row.metric, blind[1])}"


def _seeds(row: MetricComparison) -> str:
    """Return a line about the variance of a difference between recipes."""
    sd = [value(row.metric, each) if each is not None else "not known (one seed)" for each in row.seed_sd]
    errors = value(row.metric, row.seed_error), value(row.metric, row.sample_error)
    return (
        f"{row.seeds[0]} and {row.seeds[1]} seeds: scores scatter between seeds by {sd[0]} under A, {sd[1]} under B; "
        f"the difference by {errors[0]} with seeds and {errors[1]} with samples"
    )


def curve(comparison: Comparison) -> list[RenderableType]:
    """Return scores by images seen, where a side consists of several checkpoints."""
    parts: list[RenderableType] = []
    for task, group in groupby(comparison.curve, lambda point: point.task):
        points = list(group)
        parts += [Text(), Text(f"{task} {label(points[0].metric)} by images seen", "bold")]
        for point in points:
            seen = f"{point.images_seen:,}" if point.images_seen is not None else "not known"
            width = (
                f"{value(point.metric, point.low)}–{value(point.metric, point.high)}"
                if point.low is not None
                else "none"
            )
            parts.append(
                Text(f"  {point.side}  {seen:>13}  {value(point.metric, point.value):>5}  {width:>11}  {point.spec}")
            )
    return parts

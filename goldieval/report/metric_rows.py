"""Rows of one panel of the page: models with all their metrics, measured, published or imported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from goldieval.metrics.registry import metric_of
from goldieval.metrics.units import PERCENT, UNITS
from goldieval.records.schema import Record
from goldieval.report.numbers import label, within_bounds
from goldieval.report.references import reference_texts
from goldieval.report.score import Score, display_name, of_record
from goldieval.report.svg import interval_bar


@dataclass(frozen=True)
class PanelCell:
    """One number.

    Attributes:
        text: the number.
        sort: the number that it is sorted by; None where there is none.
        ends: its interval; empty where there is none.
    """

    text: str = ""
    sort: float | None = None
    ends: str = ""


@dataclass(frozen=True)
class PanelRow:
    """One model.

    Attributes:
        name: name of the model.
        detail: what tells it from others of that name: its fingerprint and seed, or where it was published.
        bar: drawing of the headline with its interval, as SVG; empty where there is none.
        cells: its numbers, one per metric of the panel.
    """

    name: str
    detail: str
    bar: str
    cells: list[PanelCell]


@dataclass(frozen=True)
class Metrics:
    """The columns of rows: metrics by name, the headline first.

    Attributes:
        names: names of the metrics.
        labels: their labels.
        rows: the rows.
        footer: pairs of a name and one text per metric.
    """

    names: list[str]
    labels: list[str]
    rows: list[PanelRow]
    footer: list[tuple[str, list[str]]] = field(default_factory=list)


def measured_rows(records: Sequence[Record]) -> Metrics:
    """Return the rows of records of one task under one setting, the best first, with every metric."""
    scored = [record for record in records if record.metrics]
    headline = records[0].task.headline
    names = list(dict.fromkeys(name for record in scored for name in record.metrics))
    names.sort(key=lambda name: name != headline)
    lower = metric_of(headline).lower_is_better
    scored.sort(key=lambda record: (_headline(record, lower), display_name(record)))
    rows = [_row(record, names) for record in scored]
    return Metrics(names, [label(name) for name in names], rows, _footer(scored, names))


def _headline(record: Record, lower_is_better: bool) -> float:
    """Return what records are sorted by: the best first, those without the headline last."""
    if record.headline is None:
        return float("inf")
    return record.headline.value if lower_is_better else -record.headline.value


def _row(record: Record, names: Sequence[str]) -> PanelRow:
    model = record.model
    seed = "" if model.seed is None else f", seed {model.seed}"
    scores = [of_record(record, name) for name in names]
    return PanelRow(
        display_name(record), model.fingerprint[:8] + seed, _bar(scores[0]), [_cell(score) for score in scores]
    )


def _bar(score: Score | None) -> str:
    if score is None or score.value is None or UNITS[score.unit] != PERCENT:
        return ""
    return interval_bar(score.value, score.low, score.high, score.chance, score.ceiling)


def _cell(score: Score | None) -> PanelCell:
    if score is None or score.value is None:
        return PanelCell()
    unit = UNITS[score.unit]
    ends = ""
    if score.low is not None and score.high is not None:
        ends = "–".join(unit.text(end) for end in within_bounds(score.low, score.high, unit))
        ends += " ?" if score.unreliable else ""
    return PanelCell(unit.text(score.value), round(unit.scale * score.value, 6), ends)


def _footer(records: Sequence[Record], names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return chance, ceiling, minimum detectable difference and n of every metric, where any is known."""
    columns = [[record.metrics[name] for record in records if name in record.metrics] for name in names]
    units = [metric_of(name).unit.name for name in names]
    numbers = {
        "chance": [{one.chance for one in column} for column in columns],
        "ceiling": [{one.ceiling for one in column} for column in columns],
        "MDD": [{max((one.separable or 0.0 for one in column), default=0.0) or None} for column in columns],
    }
    footer = [
        (name, [reference_texts(values, unit) for values, unit in zip(found, units, strict=True)])
        for name, found in numbers.items()
    ]
    alone = [_range([one.blind for one in column], unit) for column, unit in zip(columns, units, strict=True)]
    footer.insert(1, ("text alone", alone))
    footer.append(("n", ["/".join(f"{count:,}" for count in sorted({one.n for one in column})) for column in columns]))
    return [(name, texts) for name, texts in footer if any(texts)]


def _range(values: Sequence[float | None], unit: str) -> str:
    """Return the lowest and the highest of the models' numbers."""
    known = [value for value in values if value is not None]
    return reference_texts({min(known), max(known)}, unit).replace("/", "–") if known else ""


def imported_rows(records: Sequence[Record]) -> tuple[str, str, Metrics]:
    """Return kind, heading and rows of records whose outcomes another program made, with the file of each."""
    found = measured_rows(records)
    notices = {display_name(record): record.model.notice for record in records}
    rows = [replace(row, detail=notices[row.name], bar="") for row in found.rows]
    return "imported", "imported with the outcome of every sample", replace(found, rows=rows, footer=[])


def other_rows(kind: str, scores: Sequence[Score]) -> tuple[str, str, Metrics]:
    """Return kind, heading and rows of published or imported scores: one row per model, protocol and source."""
    rows: dict[tuple[str, ...], dict[str, Score]] = defaultdict(dict)
    for score in scores:
        place = (score.protocol, score.scoring.removesuffix(":*").strip("*"), score.grade, score.source)
        rows[(score.model, *place)].setdefault(score.metric, score)
    names = sorted({score.metric for score in scores}, key=lambda name: (metric_of(name).position, name))
    made = [
        PanelRow(model, _origin(place, list(row.values())), "", [_cell(row.get(name)) for name in names])
        for (model, *place), row in sorted(rows.items())
    ]
    what = "published, not measured here" if kind == "published" else "imported from other harnesses"
    return kind, what, Metrics(names, [label(name) for name in names], made)


def _origin(place: Sequence[str], scores: Sequence[Score]) -> str:
    protocol, scoring, grade, source = place
    notes = dict.fromkeys(score.note for score in scores if score.note)
    return "; ".join(text for text in (protocol, scoring and f"{scoring} scoring", source, grade, *notes) if text)

"""The page of the field: who leads each set, which models cannot be told from the leader, and every number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.text import one_line
from goldieval.metrics.registry import metric_of
from goldieval.report.field.collected import Field
from goldieval.report.field.leaders import Lead, lead_of, quantile
from goldieval.report.field.models import KINDS_BY_SIZE, SIZES, UNKNOWN, FieldModel
from goldieval.report.field.numbers import FieldColumn, FieldNumber
from goldieval.report.page_parts import environment, policy_hash, script_of, style_of, write_html

if TYPE_CHECKING:
    from markupsafe import Markup

MOST = 40_000
"""Numbers on the page; of more, parts of sets such as single languages are left out, and a line says which."""

DIGITS = 10_000
KINDS = ("published", "imported", "ours")


@dataclass(frozen=True)
class Line:
    """One line of the overview, as text.

    Attributes:
        title: task and metric.
        group: group of the task.
        models: number of models that are compared.
        leader: name of the best.
        score: its score.
        ends: its interval; empty where there is none.
        same: how many models cannot be told from it.
    """

    title: str
    group: str
    models: int
    leader: str
    score: str
    ends: str
    same: str


def write_field_page(file: Path, field: Field) -> int:
    """Write the page; return its size in bytes.

    Raises:
        GoldievalError: the file cannot be written; no partial file is left.
    """
    return write_html(file, field_page(field))


def field_page(field: Field) -> str:
    """Return the page as HTML."""
    style, script = style_of("page", "field"), script_of("theme", "field")
    shown, left_out = _shown(field.columns)
    return (
        environment()
        .get_template("field.html")
        .render(
            style=style,
            style_hash=policy_hash(style),
            script=script,
            script_hash=policy_hash(script),
            data=_data(shown),
            lines=list(overview(shown)),
            counts=_counts(field),
            left_out=_left_out(left_out),
            sizes=[*(name for name, _ in SIZES), UNKNOWN],
            kinds=[*KINDS_BY_SIZE, UNKNOWN],
        )
    )


def overview(columns: Iterable[FieldColumn]) -> Iterator[Line]:
    """Yield a line for each main number of a set that at least two models have."""
    for column in columns:
        if not column.main or (lead := lead_of(column)) is None:
            continue
        unit = metric_of(column.metric).unit
        best = lead.leader
        ends = f"{unit.text(best.low)}–{unit.text(best.high)}" if best.low is not None and best.high is not None else ""
        yield Line(
            column.title, column.group, len(lead.rivals) + 1, best.model.name, unit.text(best.value), ends, _same(lead)
        )  # fmt: skip


def _same(lead: Lead) -> str:
    """Return how many models cannot be told from the leader."""
    tested = len(lead.rivals) - len(lead.untested)
    if lead.inseparable:
        return f"≈ {len(lead.inseparable):,} of {tested:,}"
    if lead.untested:
        return f"▲ leads {tested:,} tested" if tested else "not known"
    return "▲ leads alone"


def _shown(columns: Sequence[FieldColumn]) -> tuple[list[FieldColumn], list[FieldColumn]]:
    """Return the columns that are on the page, in order, and those for which there is no room."""
    room, kept = MOST, set()
    for column in sorted(columns, key=lambda column: not column.main):
        if len(column.numbers) <= room:
            room -= len(column.numbers)
            kept.add(id(column))
    return [each for each in columns if id(each) in kept], [each for each in columns if id(each) not in kept]


def _left_out(columns: Sequence[FieldColumn]) -> str:
    if not columns:
        return ""
    numbers = sum(len(column.numbers) for column in columns)
    tasks = ", ".join(dict.fromkeys(column.task for column in columns))
    return f"{numbers:,} numbers of parts of {tasks} are left out here; --format csv has them."


def _counts(field: Field) -> str:
    numbers = [number for column in field.columns for number in column.numbers]
    models, tasks = {number.model.name for number in numbers}, {column.task for column in field.columns}
    kinds = [number.score.kind for number in numbers]
    named = {"published": "published", "imported": "imported from other harnesses", "ours": "measured here"}
    parts = [f"{kinds.count(kind):,} {text}" for kind, text in named.items() if kind in kinds]
    return f"{len(numbers):,} numbers of {len(models):,} models on {len(tasks):,} sets: {', '.join(parts)}"


def _data(columns: Sequence[FieldColumn]) -> Markup:
    """Return the numbers as JSON that no text can end: every < is escaped."""
    from markupsafe import Markup

    texts, models = _Places(), _Places()
    content: dict[str, Any] = {"columns": [_column(column, texts, models) for column in columns]}
    content["texts"] = [one_line(text) for text in texts.values]
    content["models"] = [[one_line(text) for text in _about(model)] for model in models.values]
    content["quantiles"] = [round(quantile(rivals), 4) for rivals in range(len(models.values) + 1)]
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _about(model: FieldModel) -> tuple[str, ...]:
    return model.name, model.architecture, model.kind, model.trained_on, model.size, model.note


def _column(column: FieldColumn, texts: _Places, models: _Places) -> dict[str, Any]:
    metric = metric_of(column.metric)
    return {
        "task": column.task, "title": column.title, "group": column.group,
        "main": column.main, "n": column.n, "protocol": texts.place(column.protocol),
        "note": texts.place(column.interval_note), "scale": metric.unit.scale, "digits": metric.unit.places(),
        "numbers": [_number(number, texts, models) for number in column.numbers],
    }  # fmt: skip


def _number(number: FieldNumber, texts: _Places, models: _Places) -> list[int | None]:
    """Return model, value, both ends of the interval, origin, whether it is compared, source, protocol and note."""
    score = number.score
    exact = number.value, number.low, number.high
    value, low, high = (None if each is None else round(each * DIGITS) for each in exact)
    source = "" if score.kind == "imported" else "measured here" if score.record else f"{score.grade}: {score.source}"
    places = [texts.place(text) for text in (source, score.protocol, score.note)]
    return [models.place(number.model), value, low, high, KINDS.index(score.kind), int(number.compared), *places]


class _Places:
    """Distinct values in the order of their first use, so that each stands on the page once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[Any, int] = {}

    def place(self, value: Any) -> int:
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]

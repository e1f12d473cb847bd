"""A self-contained page, without network access: leaderboard, every task, and the data-efficiency plot.

All text from records, papers and other harnesses is escaped by jinja2, and the content security policy of the page
allows no script but its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.metrics.units import PERCENT, UNITS
from goldieval.records.schema import Record
from goldieval.report.efficiency import AXES, efficiency
from goldieval.report.efficiency_svg import efficiency_plot
from goldieval.report.formats.html import body, escape_invisible
from goldieval.report.numbers import interval, interval_beside, label, value
from goldieval.report.score import Score, display_name, of_record
from goldieval.report.scores import interval_warnings
from goldieval.report.settings import setting_of
from goldieval.report.svg import interval_bar

if TYPE_CHECKING:
    from goldieval.report.built_table import BuiltTable

TEMPLATES = Path(__file__).with_name("templates")


def write_page(file: Path, built: BuiltTable) -> int:
    """Write the page of a table and of all its records; return the size in bytes.

    Raises:
        GoldievalError: the file cannot be written; no partial file is left.
    """
    content = (page(built) + "\n").encode()
    try:
        atomic_write(file, content)
    except OSError as error:
        raise GoldievalError(f"--html {file}: {error.strerror or error}.") from error
    return len(content)


def page(built: BuiltTable) -> str:
    """Return the page as HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=escape_invisible
    )
    template, style, script = (
        (TEMPLATES / f"page.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    script = script.strip()
    rows, tasks = _rows(built), _tasks(built)
    points = efficiency(built.spec, built.sources)
    drawn = [efficiency_plot(points, axis, text) for axis, text in AXES.items() if points and points.points]
    return environment.from_string(template).render(
        title=built.grid.title,
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        table=body(built.grid),
        rows=rows,
        tasks=tasks,
        linked={task["name"] for task in tasks},
        metrics=sorted({row["metric"] for row in rows}),
        models=len({row["model"] for row in rows}),
        plots=[plot for plot in drawn if plot],
        plot_title=points.title if points else "",
        left_out=", ".join(points.left_out) if points else "",
    )


def _rows(built: BuiltTable) -> list[dict[str, Any]]:
    """Return every number of the records, and published and imported numbers of the same tasks."""
    sources = built.sources
    records = [record for _, record in sources.records if built.spec.made_here == sources.made_here(record.task.name)]
    rows = [
        _row(score, _badges(record), name == record.task.headline)
        for record in records
        for name in record.metrics
        if (score := of_record(record, name)) is not None
    ]
    headlines = {record.task.name: record.task.headline for record in records}
    in_table = {
        (cell.score.task, cell.score.metric)
        for panel in built.grid.panels
        for row in panel.rows
        for cell in row.cells
        if cell.score
    }
    others = [*sources.imported, *sources.published.scores]
    for score in others:
        if score.value is not None and ((score.task, score.metric) in in_table or score.task in headlines):
            badges = [{"text": text, "kind": ""} for text in (score.protocol, score.grade or score.kind) if text]
            main = headlines.get(score.task) == score.metric or (score.task not in headlines)
            rows.append(_row(score, badges, main))
    return sorted(rows, key=lambda row: (row["task"], row["metric"], row["group"], -row["sort"], row["model"]))


def _row(score: Score, badges: list[dict[str, str]], headline: bool) -> dict[str, Any]:
    number = score.value if score.value is not None else 0.0
    unit = UNITS[score.unit]
    setting = [badge["text"] for badge in badges if badge["text"] != score.grade]
    return {
        "model": score.model, "kind": score.kind, "task": score.task, "metric": score.metric,
        "label": label(score.metric), "sort": round(unit.scale * number, 6), "value": f"{unit.scale * number:,.1f}",
        "interval": interval_beside(number, score.low, score.high, unit), "n": score.n,
        "n_text": f"{score.n:,}" if score.n else "", "headline": headline, "badges": badges,
        "bar": interval_bar(number, score.low, score.high) if unit == PERCENT else "",
        "note": "; ".join(text for text in (score.source, score.note) if text),
        "group": " · ".join([score.task, label(score.metric), *setting]),
    }  # fmt: skip


def _badges(record: Record) -> list[dict[str, str]]:
    setting = setting_of(record)
    plain = [(setting.protocol, ""), (f"{setting.scoring} scoring", "scoring"), (setting.precision, "")]
    restrictions = [
        (text, "odd") for text in setting.restrictions()
    ]  # first, so that they are visible in a narrow window
    return [{"text": text, "kind": kind} for text, kind in [*restrictions, *plain]]


def _tasks(built: BuiltTable) -> list[dict[str, Any]]:
    """Return each task with its description and the metrics of every record."""
    by_task: dict[str, list[Record]] = defaultdict(list)
    for _, record in built.sources.records:
        if built.spec.made_here == built.sources.made_here(record.task.name):
            by_task[record.task.name].append(record)
    return [_task(name, records) for name, records in sorted(by_task.items())]


def _task(name: str, records: list[Record]) -> dict[str, Any]:
    first = records[0]
    expected = ", ".join(f"{count:,} {what}" for what, count in first.data.expected.items())
    facts = [
        ("protocol", first.task.protocol),
        ("licence", first.task.licence),
        ("data", expected),
        ("family", first.task.family),
    ]
    models = [_model(record) for record in sorted(records, key=lambda one: (display_name(one), one.model.fingerprint))]
    return {"name": name, "title": first.task.title, "facts": facts, "models": models}


def _model(record: Record) -> dict[str, Any]:
    model, run = record.model, record.run
    about = [
        f"{model.spec} [{model.fingerprint[:8]}]", model.notice, *(badge["text"] for badge in _badges(record)),
        f"{sum(run.seconds.values()):,.0f} s on {run.device}", "" if record.status == "ok" else record.status,
    ]  # fmt: skip
    lines = [
        [label(name), value(name, metric.value), interval(name, metric), f"{metric.n:,}",
         *(value(name, number) for number in (metric.chance, metric.ceiling, metric.separable))]
        for name, metric in record.metrics.items()
    ]  # fmt: skip
    reason = [f"{record.status}: {record.reason}"] if record.reason else []
    warnings = [*record.warnings, *interval_warnings(record, list(record.metrics)), *reason]
    return {"name": display_name(record), "about": "; ".join(filter(None, about)), "lines": lines, "warnings": warnings}

"""One panel for each task and setting for the page: every model with every metric, then published rows apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from goldieval.records.schema import Record
from goldieval.report.built_table import BuiltTable
from goldieval.report.metric_rows import Metrics, imported_rows, measured_rows, other_rows
from goldieval.report.score import Score, display_name
from goldieval.report.scores import interval_warnings
from goldieval.report.settings import Setting, main_setting, setting_of


@dataclass(frozen=True)
class TaskPanel:
    """One task under one setting.

    Attributes:
        anchor: its id on the page.
        task: name of the task.
        title: title of the task.
        badges: pairs of a text of the setting and its kind: ``odd``, ``scoring`` or empty.
        facts: licence, data and family, as text.
        ours: models that were measured here.
        others: imported and published rows, by heading.
        notes: notices, warnings and failures, one line each.
    """

    anchor: str
    task: str
    title: str
    badges: list[tuple[str, str]]
    facts: list[str]
    ours: Metrics | None
    others: list[tuple[str, str, Metrics]]
    notes: list[str]


def task_panels(built: BuiltTable) -> list[TaskPanel]:
    """Return the panels of all tasks of a table, with every metric of every record."""
    sources = built.sources
    by_task: dict[str, list[Record]] = defaultdict(list)
    for _, record in sources.records:
        if built.spec.made_here == sources.made_here(record.task.name):
            by_task[record.task.name].append(record)
    others = _others(built, set(by_task))
    panels = []
    for task in sorted({*by_task, *others}):
        settings = [setting_of(one) for one in by_task[task] if one.metrics]
        main = main_setting(settings, sources.protocol(task), sources.version(task))
        groups = _by_setting(by_task[task], main)
        apart = [other_rows(kind, scores) for kind, scores in sorted(others.get(task, {}).items())]
        if not groups:
            panels.append(TaskPanel(f"task-{task}", task, sources.title(task), [], [], None, apart, []))
        for number, (setting, records) in enumerate(groups):
            anchor = f"task-{task}" if number == 0 else f"task-{task}-{number + 1}"
            panels.append(_panel(anchor, setting, main, records, [] if number else apart))
    return panels


def _by_setting(records: Sequence[Record], main: Setting | None) -> list[tuple[Setting, list[Record]]]:
    """Return records by setting, the main setting first; those that failed stand with the main setting."""
    groups: dict[Setting, list[Record]] = defaultdict(list)
    for record in records:
        groups[setting_of(record) if record.metrics or main is None else main].append(record)
    return sorted(groups.items(), key=lambda group: (group[0] != main, not group[0].whole, -len(group[1])))


def _panel(
    anchor: str,
    setting: Setting,
    main: Setting | None,
    records: Sequence[Record],
    others: list[tuple[str, str, Metrics]],
) -> TaskPanel:
    task, data = records[0].task, records[0].data
    expected = ", ".join(f"{count:,} {what}" for what, count in data.expected.items())
    facts = [text for text in (task.family, expected, task.licence and f"licence: {task.licence}") if text]
    odd = setting.differences(main) if main and setting != main else setting.restrictions()
    plain = [(setting.protocol, ""), (f"{setting.scoring} scoring", "scoring"), (setting.precision, "")]
    badges = [(text, "odd") for text in odd] + [badge for badge in plain if badge[0] not in odd]
    own = [record for record in records if not record.model.is_imported]
    imported = [record for record in records if record.model.is_imported]
    apart = [*([imported_rows(imported)] if imported else []), *others]
    rows = measured_rows(own) if own else None
    return TaskPanel(anchor, task.name, task.title, badges, facts, rows, apart, _notes(records))


def _notes(records: Sequence[Record]) -> list[str]:
    """Return notices, warnings and failures; a line that several models share names them all."""
    by_line: dict[str, list[str]] = {}
    for record in records:
        failed = [f"{record.status}: {record.reason}"] if record.reason else []
        notice = [record.model.notice] if record.model.notice else []
        for line in [*failed, *notice, *record.warnings, *interval_warnings(record, list(record.metrics))]:
            by_line.setdefault(line, []).append(display_name(record))
    return [f"{', '.join(dict.fromkeys(models))}: {line}" for line, models in by_line.items()]


def _others(built: BuiltTable, measured: set[str]) -> dict[str, dict[str, list[Score]]]:
    """Return published and imported scores by task and kind: of the table's columns, and of measured tasks."""
    in_table = {
        (cell.score.task, cell.score.metric)
        for panel in built.grid.panels
        for row in panel.rows
        for cell in row.cells
        if cell.score
    }
    found: dict[str, dict[str, list[Score]]] = defaultdict(lambda: defaultdict(list))
    for score in [*built.sources.imported, *built.sources.published.scores]:
        if score.value is not None and (score.task in measured or (score.task, score.metric) in in_table):
            found[score.task][score.kind].append(score)
    return found

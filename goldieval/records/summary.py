"""Records as a short table, for the display of a notebook and of Python's prompt."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from goldieval.core.errors import listing
from goldieval.core.text import one_line
from goldieval.metrics.registry import metric_of
from goldieval.records.frame import restriction
from goldieval.records.schema import Record

MAX_ROWS = 30
WIDTH = 79
HEADER = ("task", "metric", "score", "95 %", "n", "chance")


@dataclass(frozen=True)
class _Group:
    """The records of one model.

    Attributes:
        title: spec, fingerprint and precision.
        rows: cells by ``HEADER``, of the headline of each task.
    """

    title: str
    rows: list[tuple[str, ...]]


def text_of(
    records: Sequence[Record], faults: Sequence[str], models_failed: Mapping[str, str], averages: Sequence[Record] = ()
) -> str:
    """Return the headlines as aligned text."""
    groups = _groups([*records[:MAX_ROWS], *averages])
    rows = [row for group in groups for row in group.rows]
    widths = [max(map(len, cells)) for cells in zip(HEADER, *rows, strict=True)]
    lines = [_counts(records), *([_aligned(HEADER, widths)] if rows else [])]
    for group in groups:
        lines += [group.title, *(_aligned(row, widths) for row in group.rows)]
    remarks = _remarks(records, averages, faults, models_failed)
    return "\n".join([*lines, *(line for text in remarks for line in textwrap.wrap(text, WIDTH))])


def html_of(
    records: Sequence[Record], faults: Sequence[str], models_failed: Mapping[str, str], averages: Sequence[Record] = ()
) -> str:
    """Return the headlines as an HTML table without script; every text is escaped."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in HEADER)
    rows = []
    for group in _groups([*records[:MAX_ROWS], *averages]):
        title = html.escape(group.title)
        rows += [f'<tr><th colspan="{len(HEADER)}" style="text-align: left">{title}</th></tr>']
        rows += [f"<tr>{_html_cells(row)}</tr>" for row in group.rows]
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>" if rows else ""
    paragraphs = [f"<p>{html.escape(remark)}</p>" for remark in _remarks(records, averages, faults, models_failed)]
    return "\n".join(["<div>", f"<p>{html.escape(_counts(records))}</p>", table, *paragraphs, "</div>"])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return f"  {'  '.join([*left, *right])}".rstrip()


def _html_cells(row: Sequence[str]) -> str:
    return "".join(
        f'<td style="text-align: {"left" if number < 2 else "right"}">{html.escape(cell)}</td>'
        for number, cell in enumerate(row)
    )


def _counts(records: Sequence[Record]) -> str:
    models = len({(record.model.spec, record.model.fingerprint, record.model.precision) for record in records})
    number = f"{len(records):,} record{'' if len(records) == 1 else 's'}"
    return f"Results: {number} of {models:,} model{'' if models == 1 else 's'}" if records else "Results: no records"


def _remarks(
    records: Sequence[Record], averages: Sequence[Record], faults: Sequence[str], models_failed: Mapping[str, str]
) -> list[str]:
    """Return what a reader must know beside the numbers, each line once."""
    more = f"and {len(records) - MAX_ROWS:,} more records; frame() has all of them" if len(records) > MAX_ROWS else ""
    failed = [f"model {spec} failed: {reason}" for spec, reason in models_failed.items()]
    unread = f"{len(faults):,} files could not be read: {listing(faults, 1)}" if faults else ""
    lines = notice_lines((record.model.spec, record.model.notice) for record in records)
    notes = [note for record in [*records, *averages] for note in _notes(record)]
    return [one_line(remark) for remark in dict.fromkeys([more, *lines, *notes, *failed, unread]) if remark]


def notice_lines(models: Iterable[tuple[str, str]]) -> list[str]:
    """Return each notice once, with the first model that has it.

    Args:
        models: names and notices.

    >>> notice_lines([("a", "a test"), ("b", "a test"), ("c", "")])
    ['a and 1 more: a test']
    """
    by_notice: dict[str, dict[str, None]] = {}
    for name, notice in models:
        by_notice.setdefault(notice, {})[name] = None
    return [f"{listing(names, 1)}: {notice}" for notice, names in by_notice.items() if notice]


def of_several_versions(records: Iterable[Record]) -> set[str]:
    """Return the tasks of which there are records of several versions, whose scores are not comparable."""
    versions: dict[str, set[int]] = {}
    for record in records:
        versions.setdefault(record.task.name, set()).add(record.task.version)
    return {name for name, found in versions.items() if len(found) > 1}


def _groups(records: Sequence[Record]) -> list[_Group]:
    mixed = of_several_versions(records)
    by_model: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        model = record.model
        by_model.setdefault((model.spec, model.fingerprint, model.precision), []).append(record)
    return [
        _Group(
            one_line(f"{spec}  {fingerprint[:8]}  {precision}"),
            [row for record in group for row in _row(record, mixed)],
        )
        for (spec, fingerprint, precision), group in by_model.items()
    ]


def _row(record: Record, mixed: Collection[str]) -> list[tuple[str, ...]]:
    """Return the row of a record, none if it was not scored; tasks in ``mixed`` are named with their version."""
    measured, name = record.headline, record.task.name
    if measured is None:
        return []
    metric = metric_of(record.task.headline)
    no_interval = measured.low is None or measured.high is None
    ends = "none" if no_interval else f"{metric.text(measured.low)}–{metric.text(measured.high)}"
    score, chance = metric.text(measured.value), metric.text(measured.chance)
    task = f"{name}@{record.task.version}" if name in mixed else name
    return [(one_line(task), one_line(metric.label), score, ends, f"{measured.n:,}", chance)]


def _notes(record: Record) -> list[str]:
    name, of = record.task.name, restriction(record.task)
    subset = f"{name}: a subset ({of}), not comparable with the whole task" if of else ""
    failed = f"{name} {record.outcome}: {record.reason}" if record.status != "ok" else ""
    doubt = f"{name}: {record.headline.unreliable}" if record.headline and record.headline.unreliable else ""
    return [note for note in (record.task.heading and f"{name}: {record.task.heading}", subset, failed, doubt) if note]

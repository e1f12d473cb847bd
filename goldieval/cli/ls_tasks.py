"""``goldieval ls tasks``: tasks in groups, with the state of their data."""

from __future__ import annotations

import fnmatch
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.display import Console, Text
from goldieval.core.errors import GoldievalError, did_you_mean

if TYPE_CHECKING:
    from goldieval.records.schema import Record
    from goldieval.tasks.card import Task
    from goldieval.tasks.catalogue import Catalogue

WIDE = 130  # width in columns from which tasks are listed with family, images and headline
UNGROUPED = "other"
PRESENT = ("present", "made here")
LEAST_LICENCE = 11  # narrowest column of licences: most are shorter, and longer ones stand below the table
RIGHT = ("size", "images", "chance", "score")  # columns of numbers
INDENT = "  "


@dataclass(frozen=True)
class TaskFilters:
    """Which tasks are listed; an empty text is no filter.

    Attributes:
        pattern: glob over names.
        family: family of the task.
        tag: one of its tags; the first one of a card is its group.
        suite: suite that it belongs to.
        present: whether only tasks are listed whose data are on this disk, or are drawn.
    """

    pattern: str = "*"
    family: str = ""
    tag: str = ""
    suite: str = ""
    present: bool = False

    def select(self, catalogue: Catalogue) -> list[Task]:
        """Return the tasks of these filters but ``present``, whose answer takes a look at the disk.

        Raises:
            GoldievalError: no task has the tag, or there is no such suite.
        """
        tags = {tag for task in catalogue.tasks.values() for tag in task.card.tags}
        if self.tag and self.tag not in tags:
            hint = did_you_mean(self.tag, tags) or f" There are {', '.join(sorted(tags))}."
            raise GoldievalError(f"--tag: no task has the tag {self.tag!r}.{hint}")
        if self.suite and self.suite not in catalogue.suites:
            near = did_you_mean(self.suite, catalogue.suites)
            reason = catalogue.errors.get(
                self.suite, f"there is no suite {self.suite!r}.{near} See: goldieval ls suites"
            )
            raise GoldievalError(f"--suite: {reason}")
        return [task for task in catalogue.tasks.values() if self._matches(task, catalogue)]

    def _matches(self, task: Task, catalogue: Catalogue) -> bool:
        return (
            fnmatch.fnmatch(task.name, self.pattern)
            and self.family in ("", task.card.family)
            and (not self.tag or self.tag in task.card.tags)
            and (not self.suite or task.name in catalogue.suites[self.suite].tasks)
        )


def task_rows(
    filters: TaskFilters, root: Path, catalogue: Catalogue, newest: Mapping[str, Record]
) -> list[dict[str, Any]]:
    """Return one row per task that is listed.

    Args:
        filters: which tasks are listed.
        root: folder of the data.
        catalogue: all tasks.
        newest: the newest whole record of each task.
    """
    from goldieval.data.manage.locate import state

    states = ((task, state(task, root)) for task in filters.select(catalogue))
    shown = [(task, data) for task, data in states if not filters.present or data in PRESENT]
    return [_task(task, data, newest.get(task.name)) for task, data in shown]


def _task(task: Task, data: str, last: Record | None) -> dict[str, Any]:
    from goldieval.metrics.registry import metric_of

    card = task.card
    headline = metric_of(card.headline)
    measured = last.metrics.get(card.headline) if last else None  # another version may have another headline
    return {
        "task": card.name,
        "family": card.family,
        "data": data,
        "megabytes": card.source.megabytes,
        "images": card.expect.images,
        "headline": headline.label,
        "unit": headline.unit.name,
        "chance": card.chance,
        "score": measured.value if measured else None,
        "model": last.model.spec if last and measured else None,
        "licence": card.licence,
        "tags": card.tags,
    }


def print_tasks(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print tasks in groups, one line each, or stacked where the window is too narrow for a table."""
    rows = sorted(rows, key=lambda row: str(row["task"]))
    cells = [_cells(row, wide=console.width >= WIDE) for row in rows]
    widths = {name: max(len(name), *(len(row[name]) for row in cells)) for name in cells[0]}
    del widths["licence"]
    room = console.width - len(INDENT) - sum(widths.values()) - len(widths)
    groups: dict[str, list[dict[str, str]]] = {}
    for row, shown in zip(rows, cells, strict=True):
        groups.setdefault(row["tags"][0] if row["tags"] else UNGROUPED, []).append(shown)
    if room < LEAST_LICENCE:
        _print_stacked(groups, console)
    else:
        _print_table(groups, widths, room, console)
    present = sum(row["data"] in PRESENT for row in rows)
    console.print()
    console.print(f"{count_of(len(rows), 'task')}, {present:,} with data here; --tag, --suite and --present select")


def _cells(row: Mapping[str, Any], wide: bool) -> dict[str, str]:
    """Return the cells of a task for a terminal, with scores in the units of the tables."""
    from goldieval.metrics.units import UNITS

    megabytes, chance, unit = row["megabytes"], row["chance"], UNITS[row["unit"]]
    size = "–" if megabytes is None else f"{megabytes:,} MB" if megabytes < 1000 else f"{megabytes / 1000:,.1f} GB"
    cells = {"task": row["task"], "data": row["data"], "size": "–" if row["data"] == "made here" else size}
    if wide:
        images = "–" if row["images"] is None else f"{row['images']:,}"
        cells |= {"family": row["family"], "images": images, "headline": row["headline"]}
    cells["chance"] = "–" if chance is None else f"{unit.scale * chance:.2g}"
    cells["score"] = "–" if row["score"] is None else f"{unit.scale * row['score']:.1f}"
    return cells | {"licence": row["licence"]}


def _print_table(
    groups: Mapping[str, Sequence[Mapping[str, str]]], widths: Mapping[str, int], room: int, console: Console
) -> None:
    """Print one line per task; a licence that does not fit is a number, explained below the table."""
    notes: dict[str, int] = {}

    def line(row: Mapping[str, str]) -> str:
        licence = row["licence"]
        fits = len(licence) <= room
        last = licence if fits else f"[{notes.setdefault(licence, len(notes) + 1)}]"
        cells = (row[name].rjust(width) if name in RIGHT else row[name].ljust(width) for name, width in widths.items())
        return INDENT + " ".join([*cells, last])

    console.print(Text(line({name: name for name in [*widths, "licence"]}), "bold"), soft_wrap=True)
    for group, rows in sorted(groups.items()):
        console.print(Text(f"{group} ({len(rows):,})", "bold"))
        for row in rows:
            console.print(Text(line(row)), soft_wrap=True)
    if notes:
        console.print(Text("licences", "bold"))
    for licence, number in notes.items():
        print_wrapped(f"[{number}] {licence}", console, INDENT * 3, first=INDENT)


def _print_stacked(groups: Mapping[str, Sequence[Mapping[str, str]]], console: Console) -> None:
    for group, rows in sorted(groups.items()):
        console.print(Text(f"{group} ({len(rows):,})", "bold"))
        for row in rows:
            console.print(Text(INDENT + row["task"], "bold"))
            details = "  ".join(f"{name} {value}" for name, value in row.items() if name not in ("task", "licence"))
            print_wrapped(f"{details}  licence {row['licence']}", console, INDENT * 2, "dim", first=INDENT * 2)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count_of(1, "task"), count_of(2, "task")
    ('1 task', '2 tasks')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_wrapped(text: str, console: Console, indent: str, style: str = "", first: str = "") -> None:
    """Print a text in lines of the width of the console; all but the first begin with ``indent``."""
    for line in textwrap.wrap(
        text, console.width, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False
    ):
        console.print(Text(line, style), soft_wrap=True)

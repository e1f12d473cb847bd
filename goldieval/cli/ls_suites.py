"""``goldieval ls suites``: suites with the numbers, or the names, of their tasks and averages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goldieval.cli.ls_tasks import INDENT, count_of, print_wrapped
from goldieval.core.display import Console, Text

if TYPE_CHECKING:
    from goldieval.tasks.catalogue import Catalogue


def suite_rows(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return one row per suite."""
    return [
        {
            "suite": suite.suite,
            "title": suite.title,
            "tasks": ", ".join(suite.tasks),
            "averages": {average.name: average.label for average in suite.averages},
        }
        for suite in catalogue.suites.values()
    ]


def print_suites(rows: Sequence[Mapping[str, Any]], console: Console, whole: bool) -> None:
    """Print suites with the number of their tasks and averages.

    Args:
        rows: the suites.
        console: the console.
        whole: whether tasks and averages are named.
    """
    counts = [(len(row["tasks"].split(", ")), len(row["averages"])) for row in rows]
    name_width = max(len(row["suite"]) for row in rows)
    lines = list(_suite_lines(rows, counts, name_width))
    room = console.width - name_width - len(" tasks averages ")
    stacked = room < 24
    if not stacked:
        console.print(Text(f"{'suite'.ljust(name_width)} tasks averages title", "bold"))
    for row, line in zip(rows, lines, strict=True):
        if stacked:
            console.print(Text(row["suite"], "bold"))
            print_wrapped(f"{line[1]}; {row['title']}", console, INDENT, "dim", first=INDENT)
        else:
            indent = " " * (console.width - room)
            print_wrapped(line[0] + row["title"], console, indent)
        if whole:
            print_wrapped(f"tasks: {row['tasks']}", console, INDENT * 2, "dim", first=INDENT)
            for name, label in row["averages"].items():
                print_wrapped(f"average {name}: {label}", console, INDENT * 2, "dim", first=INDENT)
    console.print()
    console.print("tasks and averages of a suite: goldieval ls suites NAME")
    console.print("state of its data:             goldieval ls tasks --suite NAME")


def _suite_lines(
    rows: Sequence[Mapping[str, Any]], counts: Sequence[tuple[int, int]], width: int
) -> Iterator[tuple[str, str]]:
    """Yield the beginning of each suite's line, and the same in words."""
    for row, (tasks, averages) in zip(rows, counts, strict=True):
        start = f"{row['suite'].ljust(width)} {tasks:5,} {averages or '–':>8} "
        yield start, count_of(tasks, "task") + (f", {count_of(averages, 'average')}" if averages else "")

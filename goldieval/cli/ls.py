"""``goldieval ls``: lists of tasks, suites, models and their families, and results."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goldieval.cli.ls_models import ModelFilters, list_models
from goldieval.cli.ls_suites import print_suites, suite_rows
from goldieval.cli.ls_task_facts import print_facts
from goldieval.cli.ls_tasks import TaskFilters, print_tasks, task_rows
from goldieval.core.display import Console, Text, print_json
from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    from goldieval.records.results import Entry, LoadedRecords
    from goldieval.records.schema import Record
    from goldieval.tasks.catalogue import Catalogue

OUT = Path("results")  # does not exist before the first run


class What(str, Enum):
    tasks = "tasks"
    suites = "suites"
    models = "models"
    families = "families"
    results = "results"


def ls(
    what: Annotated[What, typer.Argument(help="tasks, suites, models, families (of models) or results.")] = What.tasks,
    pattern: Annotated[str, typer.Argument(help="List only names that match this glob.")] = "*",
    family: Annotated[str, typer.Option(help="List only tasks or models of this family.")] = "",
    tag: Annotated[str, typer.Option(help="List only tasks with this tag; the first tag of a task is its group.")] = "",
    suite: Annotated[str, typer.Option(help="List only tasks of this suite.")] = "",
    present: Annotated[bool, typer.Option("--present", help="List only tasks whose data are on this disk.")] = False,
    data: Annotated[str, typer.Option(help="List only models trained on data of this name, such as laion.")] = "",
    licence: Annotated[str, typer.Option(help="List only models whose licence has this text, such as MIT.")] = "",
    max_parameters: Annotated[str, typer.Option(help="List only models up to this size, such as 200M.")] = "",
    max_images: Annotated[
        str, typer.Option(help="List only models trained on at most this number of images, such as 30M.")
    ] = "",
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data; by default $GOLDIEVAL_DATA, else the cache.")
    ] = None,
    tasks_dir: Annotated[Path | None, typer.Option(help="Folder with your own task cards.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the records.")] = OUT,
    json_: Annotated[bool, typer.Option("--json", help="Print only JSON.")] = False,
) -> None:
    """List tasks with the state of their data, suites, models that can be named, their families, or results.

    Of a single task, its protocol, traps and all other facts are shown.

    goldieval ls tasks 'coco*'

    goldieval ls tasks --tag composition --present

    goldieval ls models --data laion --max-parameters 200M
    """
    filters = ModelFilters(pattern, family, data, licence, max_parameters, max_images)
    if what is What.models and not (tag or suite or present):
        list_models(filters, json_)
        return
    filters.refuse(what.value, allowed=("family",) if what is What.tasks else ())
    if what is What.tasks:
        _list_tasks(TaskFilters(pattern, family, tag, suite, present), data_dir, tasks_dir, out, json_)
        return
    for name, given in (("--tag", tag), ("--suite", suite), ("--present", present)):
        if given:
            raise GoldievalError(f"{name} does not apply to ls {what.value}, only to ls tasks.")
    if what is What.suites:
        _list_suites(pattern, tasks_dir, json_)
        return
    rows = [row for row in _ROWS[what](out) if fnmatch.fnmatch(str(next(iter(row.values()))), pattern)]
    if json_:
        print_json(rows)
        return
    console = Console()
    if not rows:
        console.print(f"no {what.value} match {pattern!r}")
        return
    columns = [name for name in rows[0] if name != "file"]
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=name != columns[-1])
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    fixed_width = sum(max(len(name), *(len(_cell(row[name])) for row in rows)) + 1 for name in columns[:-1])
    longest_word = max(len(word) for row in rows for word in _cell(row[columns[-1]]).split() or [""])
    if fixed_width + longest_word <= console.width:  # the last column wraps between words
        console.print(table)
        return
    for row in rows:
        console.print(Text(_cell(row[columns[0]]), "bold"))
        console.print(Text("  " + "  ".join(f"{name} {_cell(row[name])}" for name in columns[1:]), "dim"))


def _catalogue(tasks_dir: Path | None) -> Catalogue:
    """Return all cards and suites, with a warning for each that cannot be read."""
    from goldieval.tasks.catalogue import Catalogue

    catalogue = Catalogue(tasks_dir)
    for error in catalogue.errors.values():
        Console(stderr=True, soft_wrap=True).print(f"a card is left out: {error}", markup=False, highlight=False)
    return catalogue


def _list_tasks(filters: TaskFilters, data_dir: Path | None, tasks_dir: Path | None, out: Path, json_: bool) -> None:
    from goldieval.data.roots import data_root

    catalogue = _catalogue(tasks_dir)
    rows = task_rows(filters, data_root(data_dir), catalogue, _newest(out))
    if json_:
        print_json(rows)
    elif rows:
        console = Console()
        print_tasks(rows, console)
        if len(rows) == 1:
            print_facts(catalogue.tasks[rows[0]["task"]], list(catalogue.suites.values()), console)
    else:
        Console().print(
            f"no tasks match {filters.pattern!r}{' and the options' if filters != TaskFilters(filters.pattern) else ''}"
        )


def _list_suites(pattern: str, tasks_dir: Path | None, json_: bool) -> None:
    rows = [row for row in suite_rows(_catalogue(tasks_dir)) if fnmatch.fnmatch(row["suite"], pattern)]
    if json_:
        print_json(rows)
    elif rows:
        print_suites(rows, Console(), whole=pattern != "*")
    else:
        Console().print(f"no suites match {pattern!r}")


def _newest(out: Path) -> dict[str, Record]:
    """Return the newest record of each task that was run whole and without overrides."""
    from goldieval.records.results import read_records

    records = [entry.record for entry in _entries(out, lambda place: read_records([place]))]
    whole = [record for record in records if record.headline and not (record.task.limit or record.task.overrides)]
    return {record.task.name: record for record in sorted(whole, key=lambda record: record.run.started)}


def _families(out: Path) -> list[dict[str, Any]]:
    from goldieval.tasks.plugins import describe_family, model_families

    return [
        {"family": name, "from": point.dist.name if point.dist else point.module, "what": describe_family(point)}
        for name, point in sorted(model_families().items())
    ]


def _results(out: Path) -> list[dict[str, Any]]:
    from goldieval.records.results import read_folder
    from goldieval.report.numbers import label

    rows = []
    if out != OUT and not out.exists():
        raise GoldievalError(f"no results in {out}: no such file or folder.")
    for entry in _entries(out, read_folder):
        record = entry.record
        rows.append(
            {
                "model": record.model.spec,
                "task": record.task.name,
                "scoring": record.task.scoring,
                "headline": label(record.task.headline),
                "score": record.headline.value if record.headline else None,
                "status": record.status,
                "file": str(entry.file),
            }
        )
    return rows


def _entries(out: Path, read: Callable[[Path], LoadedRecords]) -> list[Entry]:
    """Read the records of a folder if it exists, with a warning for each that cannot be read."""
    from goldieval.report.faults import warn

    if not out.is_dir():
        return []
    records = read(out)
    warn(records.faults)
    return records.entries


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}" if isinstance(value, float) else str(value)


_ROWS = {What.families: _families, What.results: _results}

"""``goldieval ls``: lists of tasks, suites, models and their families, and results."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goldieval.cli.ls_models import ModelFilters, list_models
from goldieval.core.display import Console, Text, print_json
from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    from goldieval.records.results import Entry, LoadedRecords
    from goldieval.records.schema import Record
    from goldieval.tasks.card import Task

WIDE = 130  # width in columns from which tasks are listed with family, images and headline


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

    goldieval ls tasks 'coco*'

    goldieval ls models --data laion --max-parameters 200M
    """
    filters = ModelFilters(pattern, family, data, licence, max_parameters, max_images)
    if what is What.models:
        list_models(filters, json_)
        return
    filters.refuse(what.value, allowed=("family",) if what is What.tasks else ())
    rows = _ROWS[what](data_dir, tasks_dir, out)
    rows = [row for row in rows if fnmatch.fnmatch(str(next(iter(row.values()))), pattern)]
    rows = [row for row in rows if not family or row["family"] == family]
    if json_:
        print_json(rows)
        return
    console = Console()
    if not rows:
        console.print(f"no {what.value} match {pattern!r}")
        return
    if what is What.tasks:
        rows = [_task_cells(row, wide=console.width >= WIDE) for row in rows]
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


def _tasks(data_dir: Path | None, tasks_dir: Path | None, out: Path) -> list[dict[str, Any]]:
    from goldieval.data.roots import data_root
    from goldieval.tasks.catalogue import Catalogue

    root, newest = data_root(data_dir), _newest(out)
    catalogue = Catalogue(tasks_dir)
    for error in catalogue.errors.values():
        Console(stderr=True, soft_wrap=True).print(f"a card is left out: {error}", markup=False, highlight=False)
    return [_task(task, root, newest.get(task.name)) for task in catalogue.tasks.values()]


def _task(task: Task, root: Path, last: Record | None) -> dict[str, Any]:
    from goldieval.data.manage.locate import state
    from goldieval.metrics.registry import metric_of

    card = task.card
    headline = metric_of(card.headline)
    return {
        "task": card.name,
        "family": card.family,
        "data": state(task, root),
        "megabytes": card.source.megabytes,
        "images": card.expect.images,
        "headline": headline.label,
        "unit": headline.unit.name,
        "chance": card.chance,
        "score": last.headline.value if last and last.headline else None,
        "model": last.model.spec if last else None,
        "licence": card.licence,
    }


def _newest(out: Path) -> dict[str, Record]:
    """Return the newest record of each task that was run whole and without overrides."""
    from goldieval.records.results import read_records

    records = [entry.record for entry in _entries(out, lambda place: read_records([place]))]
    whole = [record for record in records if record.headline and not (record.task.limit or record.task.overrides)]
    return {record.task.name: record for record in sorted(whole, key=lambda record: record.run.started)}


def _task_cells(row: dict[str, Any], wide: bool) -> dict[str, str]:
    """Return the cells of a task for a terminal, with scores in the units of the tables."""
    from goldieval.metrics.units import UNITS

    megabytes, chance, unit = row["megabytes"], row["chance"], UNITS[row["unit"]]
    size = "–" if megabytes is None else f"{megabytes:,} MB" if megabytes < 1000 else f"{megabytes / 1000:,.1f} GB"
    cells = {"task": row["task"], "data": row["data"], "size": "–" if row["data"] == "made here" else size}
    if wide:
        cells |= {"family": row["family"], "images": _cell(row["images"]), "headline": row["headline"]}
    cells["chance"] = "–" if chance is None else f"{unit.scale * chance:.2g}"
    cells["score"] = "–" if row["score"] is None else f"{unit.scale * row['score']:.1f}"
    return cells | {"licence": row["licence"]}


def _suites(data_dir: Path | None, tasks_dir: Path | None, out: Path) -> list[dict[str, Any]]:
    from goldieval.tasks.catalogue import Catalogue

    suites = Catalogue(tasks_dir).suites.values()
    return [{"suite": suite.suite, "title": suite.title, "tasks": ", ".join(suite.tasks)} for suite in suites]


def _families(data_dir: Path | None, tasks_dir: Path | None, out: Path) -> list[dict[str, Any]]:
    from goldieval.tasks.plugins import describe_family, model_families

    return [
        {"family": name, "from": point.dist.name if point.dist else point.module, "what": describe_family(point)}
        for name, point in sorted(model_families().items())
    ]


def _results(data_dir: Path | None, tasks_dir: Path | None, out: Path) -> list[dict[str, Any]]:
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


_ROWS = {What.tasks: _tasks, What.suites: _suites, What.families: _families, What.results: _results}

"""``goldieval ls``: tasks, suites, models and results; what is here and what is not."""

from __future__ import annotations

import fnmatch
import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from goldieval.card import Task
from goldieval.data.paths import data_root
from goldieval.record import find_records, read_record
from goldieval.registry import Catalogue, describe_family, model_families
from goldieval.report.numbers import label

LAST_COLUMN = 12  # least width of the one column that may wrap


class What(str, Enum):
    tasks = "tasks"
    suites = "suites"
    models = "models"
    results = "results"


def ls(
    what: Annotated[What, typer.Argument(help="tasks, suites, models or results.")] = What.tasks,
    pattern: Annotated[str, typer.Argument(help="Only names that match this glob.")] = "*",
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data; else $GOLDIEVAL_DATA, else the cache.")
    ] = None,
    tasks_dir: Annotated[Path | None, typer.Option(help="Folder with task cards of your own.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the records.")] = Path("results"),
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tasks (with whether their data are here), suites, model families or results.

    goldieval ls tasks 'coco*'
    """
    rows = _ROWS[what](data_dir, tasks_dir, out)
    rows = [row for row in rows if fnmatch.fnmatch(str(next(iter(row.values()))), pattern)]
    if json_:
        print(json.dumps(rows, indent=1))
        return
    console = Console()
    if not rows:
        console.print(f"no {what.value} match {pattern!r}", markup=False)
        return
    shown = [name for name in rows[0] if name != "file"]
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    for name in shown:
        table.add_column(name, no_wrap=name != shown[-1])
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in shown))
    fixed = sum(max(len(name), *(len(_cell(row[name])) for row in rows)) + 1 for name in shown[:-1])
    if fixed + LAST_COLUMN <= console.width:
        console.print(table)
        return
    for row in rows:
        console.print(Text(_cell(row[shown[0]]), "bold"))
        console.print(Text("  " + "  ".join(f"{name} {_cell(row[name])}" for name in shown[1:]), "dim"))


def _tasks(data_dir: Path | None, tasks_dir: Path | None, out: Path) -> list[dict[str, Any]]:
    root = data_root(data_dir)
    return [_task(task, root) for task in Catalogue(tasks_dir).tasks.values()]


def _task(task: Task, root: Path) -> dict[str, Any]:
    card = task.card
    folder = task.folder(root)
    here = not card.source.on_disk or (folder.is_dir() and not card.source.missing(folder))
    return {
        "task": card.name,
        "family": card.family,
        "data": "made here" if not card.source.on_disk else "present" if here else "missing",
        "images": card.expect.images,
        "headline": label(card.headline),
        "chance": card.chance,
        "licence": card.licence,
    }


def _suites(data_dir: Path | None, tasks_dir: Path | None, out: Path) -> list[dict[str, Any]]:
    suites = Catalogue(tasks_dir).suites.values()
    return [{"suite": suite.suite, "title": suite.title, "tasks": ", ".join(suite.tasks)} for suite in suites]


def _models(data_dir: Path | None, tasks_dir: Path | None, out: Path) -> list[dict[str, Any]]:
    return [
        {"family": name, "from": point.dist.name if point.dist else point.module, "what": describe_family(point)}
        for name, point in sorted(model_families().items())
    ]


def _results(data_dir: Path | None, tasks_dir: Path | None, out: Path) -> list[dict[str, Any]]:
    rows = []
    for file in find_records(out) if out.is_dir() else []:
        record = read_record(file)
        rows.append(
            {
                "model": record.model.spec,
                "task": record.task.name,
                "scoring": record.task.scoring,
                "headline": label(record.task.headline),
                "score": record.headline.value if record.headline else None,
                "status": record.status,
                "file": str(file),
            }
        )
    return rows


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}" if isinstance(value, float) else str(value)


_ROWS = {What.tasks: _tasks, What.suites: _suites, What.models: _models, What.results: _results}

"""``goldieval data``: download, check and locate the data of tasks, and import data that the user already has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from goldieval.cli.data_get import get
from goldieval.cli.data_import import import_data
from goldieval.cli.data_outcomes import import_outcomes
from goldieval.cli.data_preview import preview_data
from goldieval.cli.data_selection import DataDir, Names, TasksDir, print_errors, selected_root, selected_tasks
from goldieval.core.display import Console, Text, print_json
from goldieval.core.meter import displaying

data = typer.Typer(
    name="data",
    help="Download, check and locate the data of tasks, or import your own: goldieval data get cifar10",
    no_args_is_help=True,
)
data.command()(get)


@data.command()
def check(
    tasks: Names,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of threads that read and decode images.")] = os.cpu_count()
    or 1,
) -> None:
    """Check counts, hashes and every image; print each problem and the command that resolves it. Exits 1 on problems.

    goldieval data check cifar10
    """
    from goldieval.data.manage.check import check as check_data
    from goldieval.report.progress import ProgressDisplay

    console, root, problems = Console(), selected_root(data_dir), 0
    progress = ProgressDisplay(console)
    selected, broken = selected_tasks(tasks, tasks_dir)
    for task in selected:
        with displaying(progress.meter):
            result = check_data(task, root, workers)
        problems += len(result.faults)
        if not result.faults:
            console.print(Text(f"{task.name}: ok, {', '.join(result.facts)}"), soft_wrap=True)
        for fault in result.faults:
            console.print(Text(f"{task.name}: {fault.what}", "red"), soft_wrap=True)
        for fix in dict.fromkeys(fault.fix for fault in result.faults):
            console.print(Text(f"  to fix it: {fix}"), soft_wrap=True)
    print_errors(broken)
    if problems:
        raise typer.Exit(1)


@data.command()
def where(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="Task ids, suites, globs or card paths; all by default.")
    ] = None,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
    json_: Annotated[bool, typer.Option("--json", help="Print only JSON.")] = False,
) -> None:
    """Print the data root, and the folder of each task with its state and size on disk.

    goldieval data where cifar10
    """
    from goldieval.data.manage.locate import data_locations

    root = selected_root(data_dir)
    selected, broken = selected_tasks(tasks, tasks_dir)
    rows = data_locations(selected, root)
    faults = [*broken, *(f"{row['task']}: {row['fault']}" for row in rows if "fault" in row)]
    if json_:
        print_json({"root": str(root), "tasks": rows})
    else:
        _print_locations(root, rows)
    print_errors(faults)


def _print_locations(root: Path, rows: list[dict[str, Any]]) -> None:
    from goldieval.data.source import tilde

    console = Console()
    console.print(Text(f"data root: {tilde(root)}"), soft_wrap=True)
    for row in rows:
        if "fault" in row:
            continue
        if row["folder"] is None:
            console.print(Text(f"{row['task']}: {row['data']}"), soft_wrap=True)
            continue
        size = f", {row['bytes'] / 1e6:,.1f} MB" if row["bytes"] else ""
        console.print(Text(f"{row['task']}: {row['data']}{size}, {tilde(Path(row['folder']))}"), soft_wrap=True)
        for origin in row["origins"]:
            console.print(Text(f"  from {origin}", "dim"), soft_wrap=True)


data.command(name="import")(import_data)
data.command(name="preview")(preview_data)
data.command(name="outcomes")(import_outcomes)

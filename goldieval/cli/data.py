"""``goldieval data``: download, check and locate the data of tasks, and import data that the user already has."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goldieval.core.display import Console, Text, print_json
from goldieval.core.errors import GoldievalError
from goldieval.core.text import shell_argument

if TYPE_CHECKING:
    from goldieval.data.manage.get import Job
    from goldieval.tasks.card import Task

data = typer.Typer(
    name="data",
    help="Download, check and locate the data of tasks, or import your own: goldieval data get cifar10",
    no_args_is_help=True,
)

Names = Annotated[list[str], typer.Argument(help="Task ids, suites, globs or card paths.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the data; by default $GOLDIEVAL_DATA, else the cache.")]
TasksDir = Annotated[Path | None, typer.Option(help="Folder with your own task cards.")]


@data.command()
def get(
    tasks: Names,
    yes: Annotated[bool, typer.Option("--yes", help="Download without confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be downloaded, and stop.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Hash existing files and download again those that differ.")
    ] = False,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
) -> None:
    """Download the data of tasks: shows size, licence, source and revision first; resumes, verifies and counts.

    goldieval data get cifar10 flickr30k-test
    """
    from goldieval.data.manage.get import carry_out, jobs, plan
    from goldieval.report.fetching import FetchReporter

    reporter = FetchReporter(Console())
    selected, broken = _selected(tasks, tasks_dir)
    download_jobs = jobs(selected, _data_root(data_dir))
    for name in sorted({task.name for task in selected if not task.card.source.on_disk}):
        reporter.note(f"{name}: made here, nothing to download")
    for job in download_jobs:
        plan(job, repair, reporter.note)
        _print_plan(job, reporter.note)
    pending = [job for job in download_jobs if job.plan and job.plan.parts]
    if dry_run:
        _print_errors([*broken, *_failures(download_jobs)])
        return
    if pending and not yes:
        _confirm(pending)
    with reporter:
        for job in download_jobs:
            if not job.failure:
                carry_out(job, repair, reporter)
    _print_errors([*broken, *_failures(download_jobs)])


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

    console, root, problems = Console(), _data_root(data_dir), 0
    selected, broken = _selected(tasks, tasks_dir)
    for task in selected:
        result = check_data(task, root, workers)
        problems += len(result.faults)
        if not result.faults:
            console.print(Text(f"{task.name}: ok, {', '.join(result.facts)}"), soft_wrap=True)
        for fault in result.faults:
            console.print(Text(f"{task.name}: {fault.what}", "red"), soft_wrap=True)
        for fix in dict.fromkeys(fault.fix for fault in result.faults):
            console.print(Text(f"  to fix it: {fix}"), soft_wrap=True)
    _print_errors(broken)
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

    root = _data_root(data_dir)
    selected, broken = _selected(tasks, tasks_dir)
    rows = data_locations(selected, root)
    faults = [*broken, *(f"{row['task']}: {row['fault']}" for row in rows if "fault" in row)]
    if json_:
        print_json({"root": str(root), "tasks": rows})
    else:
        _print_locations(root, rows)
    _print_errors(faults)


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


@data.command(name="import")
def import_(
    what: Annotated[
        list[str],
        typer.Argument(help="TASK FOLDER: use a folder as the data of a task. FOLDER: write a card for your own data."),
    ],
    family: Annotated[
        str | None, typer.Option(help="retrieval or zeroshot; by default detected from the data.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new task; by default that of the folder.")] = None,
    out: Annotated[Path | None, typer.Option(help="Card file to write; by default NAME.yaml.")] = None,
    file: Annotated[
        str | None, typer.Option(help="Table, caption file or folder of classes, if the folder contains several.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Column with the image files.")] = None,
    caption: Annotated[str | None, typer.Option(help="Column with the captions.")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the class labels.")] = None,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
) -> None:
    """Use an existing folder as the data of a task, or write a card for your own data. Your files are not changed.

    goldieval data import coco-val2017 ~/coco

    goldieval data import mydata/ --family retrieval
    """
    from goldieval.data.manage.finding import DetectionHints
    from goldieval.data.manage.link import link_folder
    from goldieval.data.manage.write_card import write_card
    from goldieval.data.source import tilde

    console = Console()
    if len(what) == 2:
        unused = [option for option, value in _own_options(family, name, out, file, image, caption, label) if value]
        if unused:
            raise GoldievalError(
                f"{unused[0]} is for data of your own, and {what[0]} already has a card: omit the option."
            )
        (task,) = _one_task(what[0], tasks_dir)
        line = link_folder(task, Path(what[1]).expanduser(), _data_root(data_dir))
        console.print(Text(line), soft_wrap=True)
        console.print(Text(f"  goldieval run --model random --tasks {shell_argument(what[0])}"), soft_wrap=True)
        return
    if len(what) != 1:
        raise GoldievalError("write `data import TASK FOLDER`, or `data import FOLDER` for data of your own.")
    hints = DetectionHints(family, file or "", image or "", caption or "", label or "")
    written = write_card(Path(what[0]).expanduser(), hints, name, out)
    for line in written.lines:
        console.print(Text(line), soft_wrap=True)
    command = f"goldieval run --model random{written.options} --tasks {shell_argument(str(written.card))}"
    console.print(Text(f"wrote {tilde(written.card)}; run it: {command}"), soft_wrap=True)


def _own_options(*values: object) -> list[tuple[str, object]]:
    names = ("--family", "--name", "--out", "--file", "--image", "--caption", "--label")
    return list(zip(names, values, strict=True))


def _data_root(data_dir: Path | None) -> Path:
    from goldieval.data.roots import data_root

    return data_root(data_dir)


def _selected(names: list[str] | None, tasks_dir: Path | None) -> tuple[list[Task], list[str]]:
    """Return the selected tasks, and one line for each selected card that cannot be read."""
    from goldieval.tasks.catalogue import Catalogue

    catalogue = Catalogue(tasks_dir)
    requested = [part.strip() for name in names or [] for part in name.split(",") if part.strip()]
    if names and not requested:
        raise GoldievalError("no task given. See: goldieval ls tasks")
    if not requested:
        return list(catalogue.tasks.values()), list(catalogue.errors.values())
    selection = catalogue.select(requested)
    return selection.tasks, list(selection.errors.values())


def _one_task(name: str, tasks_dir: Path | None) -> list[Task]:
    tasks, _ = _selected([name], tasks_dir)
    if len(tasks) != 1:
        raise GoldievalError(f"{name!r} names {len(tasks)} tasks; a folder can be linked for one task only.")
    return tasks


def _print_plan(job: Job, note: Callable[[str], None]) -> None:
    from goldieval.data.fetch.fetch import gigabytes
    from goldieval.data.source import tilde

    if job.failure:
        return
    assert job.plan is not None
    if not job.plan.parts:
        note(f"{job.names}: {job.plan.reason}")
        return
    approximate = f"about {job.megabytes / 1000:.2f} GB" if job.megabytes else "size not known"
    size = approximate if job.plan.bytes is None else gigabytes(job.plan.bytes)
    note(f"{job.names}: {size}, licence: {job.licences}")
    for part in job.plan.parts:
        note(f"  from {part.shown}, {len(part.wanted):,} {'files' if len(part.wanted) > 1 else 'file'}")
        if part.left_out:
            note(f"  left out, not data: {', '.join(part.left_out[:5])}")
    note(f"  into {tilde(job.folder)}")


def _confirm(work: list[Job]) -> None:
    from goldieval.data.fetch.fetch import gigabytes

    sizes = [job.plan.bytes if job.plan else None for job in work]
    size = "it" if None in sizes else gigabytes(sum(size or 0 for size in sizes))
    if not sys.stdin.isatty():
        raise GoldievalError(f"confirmation needs a terminal. Add --yes to download {size}.")
    if not typer.confirm(f"Download {size}?"):
        raise typer.Exit(2)


def _failures(work: list[Job]) -> list[str]:
    return [f"{job.names}: {job.failure}" for job in work if job.failure]


def _print_errors(faults: list[str]) -> None:
    """Print errors, one line each, at the end of the output.

    Raises:
        typer.Exit: there is an error.
    """
    for fault in faults:
        Console(stderr=True, soft_wrap=True).print(f"error: {fault}")
    if faults:
        raise typer.Exit(1)

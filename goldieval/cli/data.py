"""``goldieval data``: get the data of tasks, check them, say where they are, take in what is here already."""

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
    help="Get, check and find the data of tasks, or take in what is here already: goldieval data get cifar10",
    no_args_is_help=True,
)

Names = Annotated[list[str], typer.Argument(help="Task ids, suites, globs or card paths.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the data; else $GOLDIEVAL_DATA, else the cache.")]
TasksDir = Annotated[Path | None, typer.Option(help="Folder with task cards of your own.")]


@data.command()
def get(
    tasks: Names,
    yes: Annotated[bool, typer.Option("--yes", help="Fetch without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be fetched, and stop.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Hash what is here and fetch again what differs.")] = False,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
) -> None:
    """Fetch the data of tasks: size, licence, source and revision first; resumed where it stopped; verified, counted.

    goldieval data get cifar10 flickr30k-test
    """
    from goldieval.data.manage.get import carry_out, jobs, plan
    from goldieval.report.fetching import FetchScreen

    screen = FetchScreen(Console())
    chosen, broken = _chosen(tasks, tasks_dir)
    work = jobs(chosen, _root(data_dir))
    for name in sorted({task.name for task in chosen if not task.card.source.on_disk}):
        screen.note(f"{name}: made here, nothing to fetch")
    for job in work:
        plan(job, repair, screen.note)
        _show_plan(job, screen.note)
    open_ = [job for job in work if job.plan and job.plan.parts]
    if dry_run:
        _say_faults([*broken, *_failures(work)])
        return
    if open_ and not yes:
        _confirm(open_)
    with screen:
        for job in work:
            if not job.failure:
                carry_out(job, repair, screen)
    _say_faults([*broken, *_failures(work)])


@data.command()
def check(
    tasks: Names,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads that read and decode.")] = os.cpu_count() or 1,
) -> None:
    """Check counts, hashes and every picture; name each fault and the command that mends it. Exit 1 on faults.

    goldieval data check cifar10
    """
    from goldieval.data.manage.check import check as examine

    console, root, wrong = Console(), _root(data_dir), 0
    chosen, broken = _chosen(tasks, tasks_dir)
    for task in chosen:
        found = examine(task, root, workers)
        wrong += len(found.faults)
        if not found.faults:
            console.print(Text(f"{task.name}: ok, {', '.join(found.facts)}"), soft_wrap=True)
        for fault in found.faults:
            console.print(Text(f"{task.name}: {fault.what}", "red"), soft_wrap=True)
        for fix in dict.fromkeys(fault.fix for fault in found.faults):
            console.print(Text(f"  to fix it: {fix}"), soft_wrap=True)
    _say_faults(broken)
    if wrong:
        raise typer.Exit(1)


@data.command()
def where(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="Task ids, suites, globs or card paths; all by default.")
    ] = None,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say where data are: the root, and of each task its folder, whether it is there, and its bytes on disk.

    goldieval data where cifar10
    """
    from goldieval.data.manage.locate import data_locations

    root = _root(data_dir)
    chosen, broken = _chosen(tasks, tasks_dir)
    rows = data_locations(chosen, root)
    faults = [*broken, *(f"{row['task']}: {row['fault']}" for row in rows if "fault" in row)]
    if json_:
        print_json({"root": str(root), "tasks": rows})
    else:
        _show_places(root, rows)
    _say_faults(faults)


def _show_places(root: Path, rows: list[dict[str, Any]]) -> None:
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
        typer.Argument(help="TASK FOLDER: link a folder in for a task. FOLDER: write a card for your own data."),
    ],
    family: Annotated[str | None, typer.Option(help="retrieval or zeroshot; else what the data have.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new task; the folder's by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="The card to write; NAME.yaml by default.")] = None,
    file: Annotated[
        str | None, typer.Option(help="The table, caption file or folder of classes, where the folder holds several.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Column with the pictures' files.")] = None,
    caption: Annotated[str | None, typer.Option(help="Column with the captions.")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the class.")] = None,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
) -> None:
    """Link in a folder that you have for a task, or write a card for data of your own. Your files stay as they are.

    goldieval data import coco-val2017 ~/coco

    goldieval data import mydata/ --family retrieval
    """
    from goldieval.data.manage.detect import DetectionHints
    from goldieval.data.manage.link import link_folder
    from goldieval.data.manage.write_card import write_card
    from goldieval.data.source import tilde

    console = Console()
    if len(what) == 2:
        given = [option for option, value in _own_options(family, name, out, file, image, caption, label) if value]
        if given:
            raise GoldievalError(f"{given[0]} is for data of your own; {what[0]} has its card already. Leave it out.")
        (task,) = _one(what[0], tasks_dir)
        line = link_folder(task, Path(what[1]).expanduser(), _root(data_dir))
        console.print(Text(line), soft_wrap=True)
        console.print(Text(f"  goldieval run --model random --tasks {shell_argument(what[0])}"), soft_wrap=True)
        return
    if len(what) != 1:
        raise GoldievalError("write `data import TASK FOLDER`, or `data import FOLDER` for data of your own.")
    wishes = DetectionHints(family, file or "", image or "", caption or "", label or "")
    written = write_card(Path(what[0]).expanduser(), wishes, name, out)
    for line in written.lines:
        console.print(Text(line), soft_wrap=True)
    command = f"goldieval run --model random{written.options} --tasks {shell_argument(str(written.card))}"
    console.print(Text(f"wrote {tilde(written.card)}; run it: {command}"), soft_wrap=True)


def _own_options(*values: object) -> list[tuple[str, object]]:
    names = ("--family", "--name", "--out", "--file", "--image", "--caption", "--label")
    return list(zip(names, values, strict=True))


def _root(data_dir: Path | None) -> Path:
    from goldieval.data.roots import data_root

    return data_root(data_dir)


def _chosen(names: list[str] | None, tasks_dir: Path | None) -> tuple[list[Task], list[str]]:
    """Return the tasks that are meant, and a line for each card that is meant and cannot be read."""
    from goldieval.tasks.catalogue import Catalogue

    catalogue = Catalogue(tasks_dir)
    asked = [part.strip() for name in names or [] for part in name.split(",") if part.strip()]
    if names and not asked:
        raise GoldievalError("no tasks named. See: goldieval ls tasks")
    if not asked:
        return list(catalogue.tasks.values()), list(catalogue.errors.values())
    selection = catalogue.select(asked)
    return selection.tasks, list(selection.errors.values())


def _one(name: str, tasks_dir: Path | None) -> list[Task]:
    found, _ = _chosen([name], tasks_dir)
    if len(found) != 1:
        raise GoldievalError(f"{name!r} names {len(found)} tasks; a folder is linked in for one.")
    return found


def _show_plan(job: Job, note: Callable[[str], None]) -> None:
    from goldieval.data.fetch.fetch import gigabytes
    from goldieval.data.source import tilde

    if job.failure:
        return
    assert job.plan is not None
    if not job.plan.parts:
        note(f"{job.names}: {job.plan.reason}")
        return
    declared = f"about {job.megabytes / 1000:.2f} GB" if job.megabytes else "size not known"
    size = declared if job.plan.bytes is None else gigabytes(job.plan.bytes)
    note(f"{job.names}: {size}, licence: {job.licences}")
    for part in job.plan.parts:
        note(f"  from {part.shown}, {len(part.wanted):,} {'files' if len(part.wanted) > 1 else 'file'}")
        if part.left_out:
            note(f"  left out, for they are no data: {', '.join(part.left_out[:5])}")
    note(f"  into {tilde(job.folder)}")


def _confirm(work: list[Job]) -> None:
    from goldieval.data.fetch.fetch import gigabytes

    sizes = [job.plan.bytes if job.plan else None for job in work]
    size = "it" if None in sizes else gigabytes(sum(size or 0 for size in sizes))
    if not sys.stdin.isatty():
        raise GoldievalError(f"there is no terminal to ask on. Add --yes to fetch {size}.")
    if not typer.confirm(f"Fetch {size}?"):
        raise typer.Exit(2)


def _failures(work: list[Job]) -> list[str]:
    return [f"{job.names}: {job.failure}" for job in work if job.failure]


def _say_faults(faults: list[str]) -> None:
    """Failures last, each in a line, so that they are not scrolled away. Raises typer.Exit where there is one."""
    for fault in faults:
        Console(stderr=True, soft_wrap=True).print(f"error: {fault}")
    if faults:
        raise typer.Exit(1)

"""``goldieval data import``: link an existing folder for a task, or write a card for the user's own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.cli.data_selection import DataDir, TasksDir, selected_root, selected_tasks
from goldieval.core.display import Console, Text
from goldieval.core.errors import GoldievalError
from goldieval.core.meter import displaying
from goldieval.core.text import shell_argument

if TYPE_CHECKING:
    from goldieval.data.manage.finding import DetectionHints
    from goldieval.data.manage.propose import Proposal
    from goldieval.tasks.card import Task


def import_data(
    what: Annotated[
        list[str],
        typer.Argument(
            help="TASK FOLDER: use a folder as the data of a task. FOLDER or hf:OWNER/NAME[@REVISION]: write a card."
        ),
    ],
    family: Annotated[
        str | None,
        typer.Option(help="retrieval, zeroshot, segmentation, dense-probe, choice or vqa; by default detected."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new task; by default that of the data set.")] = None,
    out: Annotated[Path | None, typer.Option(help="Card file to write; by default NAME.yaml.")] = None,
    file: Annotated[
        str | None, typer.Option(help="Table, annotation file, split or folder, if the folder contains several.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Column with the image files.")] = None,
    caption: Annotated[str | None, typer.Option(help="Column with the captions.")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the class labels.")] = None,
    mask: Annotated[str | None, typer.Option(help="Column with the mask files.")] = None,
    keep_uncaptioned: Annotated[
        bool, typer.Option("--keep-uncaptioned", help="Keep images without a caption in the gallery.")
    ] = False,
    config: Annotated[str | None, typer.Option(help="Configuration of a data set on the Hub.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of a data set on the Hub.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Download without confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and show everything, but write nothing.")] = False,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
) -> None:
    """Use an existing folder as the data of a task, or write a card for your own data. Your files are not changed.

    goldieval data import coco-val2017 ~/coco

    goldieval data import mydata/ --dry-run

    goldieval data import hf:OWNER/NAME
    """
    from goldieval.data.manage.finding import DetectionHints
    from goldieval.data.manage.propose import propose_card
    from goldieval.report.progress import ProgressDisplay

    if len(what) not in (1, 2):
        raise GoldievalError("write `data import TASK FOLDER`, or `data import FOLDER` for data of your own.")
    of_hub: dict[str, object] = {"config": config, "split": split, "yes": yes}
    hints = DetectionHints(family, file or "", image or "", caption or "", label or "", mask or "", keep_uncaptioned)
    if len(what) == 2:
        _refuse_own_options(what[0], {**vars(hints), "name": name, "out": out, "dry-run": dry_run} | of_hub)
        _link(what[0], Path(what[1]).expanduser(), data_dir, tasks_dir)
        return
    if what[0].startswith("hf:"):
        proposal = _of_hub(what[0], config, split, yes, hints, name, out, data_dir, dry_run)
    else:
        _refuse_hub_options(of_hub)
        with displaying(ProgressDisplay(Console(stderr=True)).meter):
            proposal = propose_card(Path(what[0]).expanduser(), hints, name, out, dry_run)
    if proposal is not None:
        below_root = f" --data-dir {shell_argument(str(data_dir))}" if data_dir and what[0].startswith("hf:") else ""
        _write(proposal, dry_run, below_root)


def _link(name: str, folder: Path, data_dir: Path | None, tasks_dir: Path | None) -> None:
    from goldieval.data.manage.link import link_folder

    console = Console()
    (task,) = _one_task(name, tasks_dir)
    line = link_folder(task, folder, selected_root(data_dir))
    console.print(Text(line), soft_wrap=True)
    console.print(Text(f"  goldieval run --model random --tasks {shell_argument(name)}"), soft_wrap=True)


def _of_hub(
    what: str,
    config: str | None,
    split: str | None,
    yes: bool,
    hints: DetectionHints,
    name: str | None,
    out: Path | None,
    data_dir: Path | None,
    dry_run: bool,
) -> Proposal | None:
    from goldieval.cli.data_import_hub import proposal_from_hub
    from goldieval.data.manage.hub_files import parse_request

    request = parse_request(what, config or "", split or "")
    return proposal_from_hub(request, hints, name, out, selected_root(data_dir), dry_run, yes)


def _write(proposal: Proposal, dry_run: bool, data_dir: str) -> None:
    from goldieval.data.manage.write_card import write_card
    from goldieval.data.source import tilde

    console = Console()
    if not dry_run:
        write_card(proposal)
    for line in proposal.lines:
        console.print(Text(line), soft_wrap=True)
    done = "would write" if dry_run else "wrote"
    options = f"{proposal.options}{data_dir}"
    command = f"goldieval run --model {proposal.model}{options} --tasks {shell_argument(str(proposal.file))}"
    console.print(Text(f"{done} {tilde(proposal.file)}; run it: {command}"), soft_wrap=True)


def _refuse_hub_options(options: dict[str, object]) -> None:
    if unused := [name for name, value in options.items() if value]:
        raise GoldievalError(f"--{unused[0]} is for data sets on the Hub (hf:OWNER/NAME): omit the option.")


def _refuse_own_options(task: str, options: dict[str, object]) -> None:
    unused = [name.replace("_", "-") for name, value in options.items() if value]
    if unused:
        raise GoldievalError(f"--{unused[0]} is for data of your own, and {task} already has a card: omit the option.")


def _one_task(name: str, tasks_dir: Path | None) -> list[Task]:
    tasks, _ = selected_tasks([name], tasks_dir)
    if len(tasks) != 1:
        raise GoldievalError(f"{name!r} names {len(tasks)} tasks; a folder can be linked for one task only.")
    return tasks

"""``goldieval data import``: link an existing folder for a task, or write a card for the user's own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.cli.data_selection import DataDir, TasksDir, selected_root, selected_tasks
from goldieval.core.display import Console, Text
from goldieval.core.errors import GoldievalError
from goldieval.core.text import shell_argument

if TYPE_CHECKING:
    from goldieval.tasks.card import Task


def import_data(
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
        line = link_folder(task, Path(what[1]).expanduser(), selected_root(data_dir))
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


def _one_task(name: str, tasks_dir: Path | None) -> list[Task]:
    tasks, _ = selected_tasks([name], tasks_dir)
    if len(tasks) != 1:
        raise GoldievalError(f"{name!r} names {len(tasks)} tasks; a folder can be linked for one task only.")
    return tasks

"""Options common to the commands of ``goldieval data``: the selected tasks and the data root."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.cli.completion import complete_tasks
from goldieval.core.display import Console
from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    from goldieval.tasks.card import Task


Names = Annotated[
    list[str], typer.Argument(help="Task ids, suites, globs or card paths.", autocompletion=complete_tasks)
]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the data; by default $GOLDIEVAL_DATA, else the cache.")]
TasksDir = Annotated[Path | None, typer.Option(help="Folder with your own task cards.")]


def selected_root(data_dir: Path | None) -> Path:
    """Return the data root that ``--data-dir``, the environment or the default selects."""
    from goldieval.data.roots import data_root

    return data_root(data_dir)


def selected_tasks(names: list[str] | None, tasks_dir: Path | None) -> tuple[list[Task], list[str]]:
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


def print_errors(faults: list[str]) -> None:
    """Print errors, one line each, at the end of the output.

    Raises:
        typer.Exit: there is an error.
    """
    for fault in faults:
        Console(stderr=True, soft_wrap=True).print(f"error: {fault}")
    if faults:
        raise typer.Exit(1)

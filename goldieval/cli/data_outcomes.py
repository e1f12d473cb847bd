"""``goldieval data outcomes``: import the per-sample outcomes of another program as a record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from goldieval.cli.completion import complete_tasks
from goldieval.cli.data_selection import DataDir, TasksDir
from goldieval.core.display import Console, Text
from goldieval.core.errors import GoldievalError


def import_outcomes(
    file: Annotated[Path, typer.Argument(help="Table with one row per item: CSV, TSV, JSON or JSON Lines.")],
    task: Annotated[str, typer.Option(help="Task id or card path.", autocompletion=complete_tasks)],
    model: Annotated[str, typer.Option(help="Name of the model; its spec becomes imported:NAME.")],
    columns: Annotated[
        str, typer.Option(help="ROLE=COLUMN, separated by commas, where columns have other names than the usual ones.")
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder for the record.")] = Path("results"),
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
) -> None:
    """Import per-sample outcomes of another program, for show, compare and table. Nothing is run.

    goldieval data outcomes answers.csv --task sugarcrepe --model openai-b32

    goldieval data outcomes answers.csv --task sugarcrepe --model mine --columns correct=hit,split=type+subtype
    """
    from goldieval.data.manage.outcomes.record import import_outcomes as run
    from goldieval.records.files import record_path
    from goldieval.report.scores import scores

    record = run(file, task, model, columns=_roles(columns), out=out, data_dir=data_dir, tasks_dir=tasks_dir)
    console = Console()
    console.print(Text(f"{record.model.spec}  {record.model.fingerprint[:8]}", "bold"))
    console.print(Text(f"  {record.model.notice}", "yellow"))
    console.parts(scores([record], console))
    console.print()
    console.print(Text(f"record: {record_path(out, record)}"), soft_wrap=True)


def _roles(text: str) -> dict[str, str]:
    """Return the column of each role. Raises GoldievalError for anything but ROLE=COLUMN."""
    found = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        role, equals, column = part.partition("=")
        if not equals or not role or not column:
            raise GoldievalError(f"--columns {part!r}: write ROLE=COLUMN, such as correct=hit.")
        if role.strip() in found:
            raise GoldievalError(f"--columns {text!r}: the role {role.strip()!r} is there twice.")
        found[role.strip()] = column.strip()
    return found

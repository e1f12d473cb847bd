"""``goldieval data preview``: a page of samples, classes, texts, duplicates and sizes of a task."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.cli.data_selection import DataDir, TasksDir, print_errors, selected_root, selected_tasks
from goldieval.core.display import Console, Text
from goldieval.core.errors import GoldievalError
from goldieval.core.meter import displaying

if TYPE_CHECKING:
    from goldieval.data.manage.preview.texts import TextReader


def preview_data(
    task: Annotated[str, typer.Argument(help="Task id or card path.")],
    out: Annotated[Path | None, typer.Option(help="Page to write; by default TASK-preview.html.")] = None,
    png: Annotated[Path | None, typer.Option(help="Also write the samples as one PNG.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Model whose tokenizer and context measure the texts; by default CLIP's.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, max=400, help="Number of samples shown.")] = 24,
    workers: Annotated[int, typer.Option(min=1, help="Number of threads that read images.")] = os.cpu_count() or 1,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
) -> None:
    """Write a page that shows the data before anything is measured; the data are not changed.

    goldieval data preview my-birds.yaml --png my-birds.png
    """
    from goldieval.data.manage.preview.facts import preview
    from goldieval.report.contact_sheet import write_contact_sheet
    from goldieval.report.preview_page import write_preview
    from goldieval.report.progress import ProgressDisplay

    console = Console()
    selected, broken = selected_tasks([task], tasks_dir)
    print_errors(broken)
    if len(selected) != 1:
        raise GoldievalError(f"{task!r} names {len(selected)} tasks; preview one at a time.")
    with displaying(ProgressDisplay(Console(stderr=True)).meter):
        seen = preview(selected[0], selected_root(data_dir), samples, _reader(model), workers)
    counts = ", ".join(f"{number:,} {what}" for what, number in seen.counts.items())
    console.print(Text(f"{selected[0].name}: {counts}"), soft_wrap=True)
    for line in seen.attention:
        console.print(Text(f"  {line}", "yellow"), soft_wrap=True)
    page = out or Path(f"{selected[0].name}-preview.html")
    size = write_preview(page, seen)
    console.print(Text(f"wrote {page}, {size / 1e6:,.1f} MB"), soft_wrap=True)
    if png:
        write_contact_sheet(png, seen)
        console.print(Text(f"wrote {png}, {png.stat().st_size / 1e6:,.1f} MB"), soft_wrap=True)


def _reader(model: str | None) -> TextReader:
    """Return the tokenizer and context of a model, or CLIP's."""
    from goldieval.data.manage.preview.texts import TextReader, clip_reader

    if model is None:
        return clip_reader()
    from goldieval.models.loading import load_model

    loaded = load_model(model)
    count = getattr(loaded, "count_tokens", None)
    if count is None:
        raise GoldievalError(f"--model {model}: its adapter does not count tokens. Omit --model to use CLIP's.")
    return TextReader(f"tokenizer of {model}", loaded.describe().context_length, count)

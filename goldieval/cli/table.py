"""``goldieval table``: a paper's table, our rows beside the published ones."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.core.display import Console, print_html, print_text
from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    from goldieval.report.grid import Grid


class Format(str, Enum):
    terminal = "terminal"
    markdown = "markdown"
    latex = "latex"
    html = "html"
    csv = "csv"


def table(
    spec: Annotated[str, typer.Argument(help="A table's name, or a YAML file of yours.")] = "leaderboard",
    out: Annotated[
        list[Path], typer.Option(help="Folder or file of the records. Repeatable. Nothing is measured here.")
    ] = [Path("results")],
    import_: Annotated[
        list[Path],
        typer.Option("--import", help="Results of clip-benchmark, open_clip or lmms-eval: file or folder. Repeatable."),
    ] = [],
    format_: Annotated[Format, typer.Option("--format", help="How it is printed.")] = Format.terminal,
    html: Annotated[Path | None, typer.Option(help="Write a page there: sort, filter, every task, a plot.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the data-efficiency plot there: .png or .pdf.")] = None,
    check: Annotated[
        Path | None, typer.Option(help="Exit 1 where this table file (.tex, .md, .html, .csv) no longer agrees.")
    ] = None,
    delta: Annotated[str | None, typer.Option(help="Name of the row to show differences from.")] = None,
    digits: Annotated[int | None, typer.Option(min=0, max=4, help="Digits after the point.")] = None,
    allow: Annotated[
        bool, typer.Option("--allow", help="Let different settings share a column, with a footnote and no marks.")
    ] = False,
    tasks_dir: Annotated[Path | None, typer.Option(help="Folder with task cards of your own.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at an unknown model or column, or an unreadable record.")
    ] = False,
) -> None:
    """Print a table from records, published numbers and imported results.

    goldieval table goldiclip-retrieval --format latex

    goldieval table --html leaderboard.html --plot efficiency.pdf
    """
    from goldieval.report.agreement import disagreements
    from goldieval.report.faults import warn
    from goldieval.report.make import make_table

    made = make_table(spec, out, import_, tasks_dir, allow, delta, digits)
    grid = made.grid
    if strict and grid.faults:
        raise GoldievalError(grid.faults[0])
    errors = Console(stderr=True, soft_wrap=True)
    warn(grid.faults)
    if check is not None:
        _check(check, disagreements(check, grid), errors)
        return
    if html is not None:
        from goldieval.report.page import write_page

        _written(html, write_page(html, made))
    if plot is not None:
        from goldieval.report.plots import write_plot

        _written(plot, write_plot(plot, made))
    if html is None and plot is None:
        _print(grid, format_)
        for hint in grid.hints:
            errors.print(hint)


def _print(grid: Grid, format_: Format) -> None:
    if format_ is not Format.terminal:
        from goldieval.report.formats import FORMATS

        write = print_html if format_ is Format.html else print_text
        write(FORMATS[format_.value](grid))
        return
    from goldieval.report.formats.terminal import to_terminal

    console = Console()
    console.parts(to_terminal(grid, console))


def _written(file: Path, size: int) -> None:
    Console().print(f"{file}: {size / 1e3:,.0f} kB", soft_wrap=True)


def _check(file: Path, found: list, errors: Console) -> None:
    if not found:
        Console().print(f"{file} agrees", soft_wrap=True)
        return
    for cell in found:
        errors.print(f"{file}: {cell}")
    raise typer.Exit(1)

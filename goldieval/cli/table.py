"""``goldieval table``: tables of records beside published results."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.cli import table_field
from goldieval.cli.completion import complete_tables
from goldieval.core.display import Console, print_html, print_text
from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    from goldieval.report.agreement import Disagreement
    from goldieval.report.grid import Grid


class Format(str, Enum):
    terminal = "terminal"
    markdown = "markdown"
    latex = "latex"
    html = "html"
    csv = "csv"


def table(
    spec: Annotated[
        str,
        typer.Argument(
            help="Name of a table, your own YAML file, or field for all numbers there are.",
            autocompletion=complete_tables,
        ),
    ] = "leaderboard",
    out: Annotated[list[Path], typer.Option(help="Folder or file of records. Repeatable.")] = [Path("results")],
    import_: Annotated[
        list[Path],
        typer.Option(
            "--import",
            help="File or folder with results of other harnesses: clip-benchmark, open_clip, DataComp, MIEB, vl_compo, "
            "lmms-eval. Repeatable.",
        ),
    ] = [],
    format_: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.terminal,
    html: Annotated[
        Path | None, typer.Option(help="Write an HTML page with a sortable leaderboard, every task and a plot.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write the data-efficiency plot to this .png, .pdf or .svg file.")
    ] = None,
    plot_task: Annotated[
        str, typer.Option(help="TASK or TASK:METRIC of the plot; by default one with records of models here.")
    ] = "",
    label: Annotated[list[str], typer.Option(help="Label this model on the plot; a glob. Repeatable.")] = [],
    trained: Annotated[
        list[str],
        typer.Option(
            help="Training data of a model on the plot, NAME=PAIRS,SEEN, such as 'my*=30M,1.2B'; one may be empty. "
            "Repeatable."
        ),
    ] = [],
    check: Annotated[
        Path | None, typer.Option(help="Exit 1 if this table file (.tex, .md, .html, .csv) differs from the records.")
    ] = None,
    columns: Annotated[
        str, typer.Option(help="Show only these columns, by heading, metric or task; globs, separated by commas.")
    ] = "",
    delta: Annotated[str | None, typer.Option(help="Name of the row from which differences are shown.")] = None,
    digits: Annotated[int | None, typer.Option(min=0, max=4, help="Digits after the decimal point.")] = None,
    allow: Annotated[
        bool, typer.Option("--allow", help="Let different settings share a column, with a footnote and without marks.")
    ] = False,
    tasks_dir: Annotated[Path | None, typer.Option(help="Folder with your own task cards.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at an unknown model or column, or at an unreadable record.")
    ] = False,
) -> None:
    """Print a table from records, published numbers and imported results.

    goldieval table goldiclip-retrieval --format latex

    goldieval table --html leaderboard.html --plot efficiency.pdf

    goldieval table field --html field.html
    """
    from goldieval.report.agreement import disagreements
    from goldieval.report.built_table import build_table
    from goldieval.report.faults import warn
    from goldieval.report.plot_choice import PlotChoice

    if spec == table_field.NAME:
        if plot_task or label or trained or plot or check or columns or delta or digits is not None or allow:
            raise GoldievalError("table field has only --out, --import, --format, --html, --tasks-dir and --strict.")
        table_field.print_field(out, import_, tasks_dir, html, format_.value, strict)
        return
    if (plot_task or label or trained) and plot is None and html is None:
        raise GoldievalError("--plot-task, --label and --trained are about the plot: give --plot FILE or --html FILE.")
    built = build_table(
        spec,
        out,
        import_,
        tasks_dir,
        allow,
        delta,
        digits,
        columns,
        PlotChoice(plot_task, tuple(label), tuple(trained)),
    )
    grid = built.grid
    if strict and grid.faults:
        raise GoldievalError(grid.faults[0])
    errors = Console(stderr=True, soft_wrap=True)
    warn(grid.faults)
    if check is not None:
        _report_differences(check, disagreements(check, grid), errors)
        return
    if html is not None:
        from goldieval.report.page import write_page

        _print_size(html, write_page(html, built))
    if plot is not None:
        from goldieval.report.plots import write_plot

        _print_lines(write_plot(plot, built), errors)
    if html is None and plot is None:
        _print(grid, format_)
    if plot is None:
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


def _print_size(file: Path, size: int) -> None:
    Console().print(f"{file}: {size / 1e3:,.0f} kB", soft_wrap=True)


def _print_lines(lines: list[str], errors: Console) -> None:
    """Print what was written, and on the error stream what a reader of it must know."""
    Console().print(lines[0], soft_wrap=True)
    for line in lines[1:]:
        errors.print(line)


def _report_differences(file: Path, differences: list[Disagreement], errors: Console) -> None:
    if not differences:
        Console().print(f"{file} agrees", soft_wrap=True)
        return
    for cell in differences:
        errors.print(f"{file}: {cell}")
    raise typer.Exit(1)

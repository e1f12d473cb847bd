"""``goldieval table field``: every published, imported and measured number, and who leads each set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from goldieval.core.display import Console, print_text
from goldieval.core.errors import GoldievalError

NAME = "field"


def print_field(
    out: Sequence[Path], imports: Sequence[Path], tasks_dir: Path | None, html: Path | None, format_: str, strict: bool
) -> None:
    """Write the page of the field, or print who leads each set, or all numbers as CSV.

    Args:
        out: folders and files of records.
        imports: results of other harnesses.
        tasks_dir: folder of the user's task cards.
        html: file of the page; None for none.
        format_: ``terminal`` or ``csv``.
        strict: whether an unreadable file or an unknown name ends the command.

    Raises:
        GoldievalError: another format, or a place that cannot be read or written.
    """
    if format_ not in ("terminal", "csv"):
        raise GoldievalError(f"--format {format_}: the field has --format terminal or csv, and --html FILE.")
    from goldieval.report.built_table import add_averages, sources_of
    from goldieval.report.faults import warn
    from goldieval.report.field.collected import field_of

    sources, faults = sources_of(out, imports, tasks_dir)
    if strict and faults:
        raise GoldievalError(faults[0])
    warn(faults)
    add_averages(sources)
    field = field_of(sources)
    if html is not None:
        from goldieval.report.field.page import write_field_page

        Console().print(f"{html}: {write_field_page(html, field) / 1e3:,.0f} kB", soft_wrap=True)
        return
    from goldieval.report.field.text import LEGEND, table_of_leaders, to_csv

    if format_ == "csv":
        print_text(to_csv(field))
        return
    console = Console()
    console.print(table_of_leaders(field, console.width))
    console.print(LEGEND, style="dim")

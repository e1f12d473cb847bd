"""The terminal: one table per panel, or stacked lines where the window is too narrow; nothing is truncated."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.measure import Measurement
from rich.table import Table

from goldieval.core.display import Console, Text
from goldieval.report.formats.footer import footer_rows, legend, row_label
from goldieval.report.grid import Cell, Grid, GridPanel, GridRow

_STYLES = {"published": "italic", "ours": "", "imported": "cyan"}


def to_terminal(grid: Grid, console: Console) -> list[RenderableType]:
    """Return the whole table, laid out for the width of a console."""
    parts: list[RenderableType] = [Text(grid.title, "bold")]
    for panel in grid.panels:
        parts += [Text(""), *([Text(panel.title, "bold")] if panel.title else [])]
        table = _wide(grid, panel)
        room = Measurement.get(console, console.options.update(max_width=1000), table).maximum
        parts += [table] if room <= console.width else _narrow(grid, panel)
    parts += [Text(""), *(Text(line, "dim") for line in legend(grid))] if grid.panels else []
    parts += [Text(f"[{number}] {text}", "dim") for number, text in enumerate(grid.footnotes, 1)]
    return parts


def _wide(grid: Grid, panel: GridPanel) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in panel.columns:
        table.add_column(Text(column), justify="right", no_wrap=True)
    for group in panel.groups:
        if group.title:
            table.add_row(Text(group.title, "dim"))
        for row in group.rows:
            table.add_row(_name(row), *(_cell(grid, row, cell) for cell in row.cells))
    for name, cells in footer_rows(grid, panel):
        table.add_row(Text(name, "dim"), *(Text(cell, "dim") for cell in cells))
    return table


def _narrow(grid: Grid, panel: GridPanel) -> Iterator[Text]:
    for group in panel.groups:
        yield Text(group.title, "dim")
        for row in group.rows:
            yield _name(row)
            for column, cell in zip(panel.columns, row.cells, strict=True):
                if cell.score is not None:
                    yield Text(f"  {column} ").append(_cell(grid, row, cell))
    for name, cells in footer_rows(grid, panel):
        pairs = [f"{column} {cell}" for column, cell in zip(panel.columns, cells, strict=True) if cell]
        yield Text(f"{name}: {'; '.join(pairs)}", "dim")


def _name(row: GridRow) -> Text:
    return Text(row_label(row) + _footnote_numbers(row.notes), _STYLES[row.kind])


def _cell(grid: Grid, row: GridRow, cell: Cell) -> Text:
    if cell.score is None:
        return Text("")
    style = f"{_STYLES[row.kind]} {'bold' if cell.best else 'underline' if cell.second else ''}".strip()
    interval, delta = grid.interval(cell), grid.difference(cell)
    text = Text(grid.value(cell), style)
    text.append(f" {interval}" if interval else "", "dim").append(f" ({delta})" if delta else "", "dim")
    return text.append(_footnote_numbers(cell.notes), "dim")


def _footnote_numbers(notes: list[int]) -> str:
    return f" [{','.join(map(str, notes))}]" if notes else ""

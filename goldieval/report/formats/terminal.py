"""The terminal: one table per panel in the width of the window; what is left out or cut is named below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import RenderableType

from goldieval.core.display import Console, Text
from goldieval.report.formats.fit import GAP, Fit, Measured, fit
from goldieval.report.formats.footer import footer_rows, legend, row_label
from goldieval.report.grid import Cell, Grid, GridPanel, GridRow


@dataclass(frozen=True)
class _Row:
    """A row as texts: its name, and each cell as a value and what follows it."""

    name: Text
    cells: list[tuple[Text, Text]]


_STYLES = {"published": "italic", "ours": "", "imported": "cyan"}


def to_terminal(grid: Grid, console: Console) -> list[RenderableType]:
    """Return the whole table, laid out for the width of a console."""
    parts: list[RenderableType] = [Text(grid.title, "bold")]
    notes: set[int] = set()
    for panel in grid.panels:
        parts += [Text(""), *([Text(panel.title, "bold")] if panel.title else [])]
        measured = _measured(grid, panel)
        fitted = fit(measured, console.width, Text("…").plain)
        parts += _stacked(grid, panel) if fitted is None else _aligned(grid, panel, fitted, measured.widths)
        notes |= _notes(panel, fitted.places if fitted else range(len(panel.columns)))
    parts += [Text(""), *(Text(line, "dim") for line in legend(grid))] if grid.panels else []
    return parts + [Text(f"[{number}] {grid.footnotes[number - 1]}", "dim") for number in sorted(notes)]


def _shown(row: GridRow, places: Sequence[int]) -> bool:
    """Return whether a row is shown; a row of which no score fits is not, unless it has none at all."""
    return any(row.cells[place].score for place in places) or not any(cell.score for cell in row.cells)


def _notes(panel: GridPanel, places: Sequence[int]) -> set[int]:
    """Return the numbers of the footnotes of what is shown."""
    rows = [row for row in panel.rows if _shown(row, places)]
    return {note for row in rows for note in [*row.notes, *(n for place in places for n in row.cells[place].notes)]}


def _measured(grid: Grid, panel: GridPanel) -> Measured:
    """Return the widths of a panel; columns without a score, and then those that are no headline, may be left out."""
    rows, footer = list(panel.rows), footer_rows(grid, panel)
    widths = [
        max(
            [
                sum(_widest([_cell(grid, row, row.cells[place]) for row in rows])),
                *(Text(cells[place]).cell_len for _, cells in footer),
            ]
        )
        for place in range(len(panel.columns))
    ]
    empty = [all(cell.score is None for cell in panel.column(place)) for place in range(len(panel.columns))]
    headline = panel.headline if any(panel.headline) else [True] * len(panel.columns)
    names = [Text(row_label(row)).plain for row in rows] + [name for name, _ in footer]
    marks = [len(_footnote_numbers(row.notes)) for row in rows] + [0] * len(footer)
    keep = [2 if without else 0 if first else 1 for without, first in zip(empty, headline, strict=True)]
    headings = [Text(column).plain for column in panel.columns]
    return Measured(names, marks, headings, widths, keep)


def _aligned(grid: Grid, panel: GridPanel, fitted: Fit, widths: Sequence[int]) -> Iterator[Text]:
    """Yield a line for each row, with the columns that fit."""
    bodies = [
        (group.title, [_row(grid, row, fitted) for row in group.rows if _shown(row, fitted.places)])
        for group in panel.groups
    ]
    below = [
        _Row(Text(name, "dim"), [(Text(cells[place], "dim"), Text("")) for place in fitted.places])
        for name, cells in footer_rows(grid, panel)
    ]
    body_rows = [row for _, rows in bodies for row in rows]
    end = max((row.name.cell_len for row in [*body_rows, *below]), default=0)
    ends, value_ends = [], []
    for order, (place, heading) in enumerate(zip(fitted.places, fitted.headings, strict=True)):
        end += GAP + max(widths[place], *map(cell_len, heading))
        ends.append(end)
        value_ends.append(end - _widest([row.cells[order] for row in body_rows])[1])
    yield from _headings(fitted.headings, ends)
    for title, rows in bodies:
        yield from [Text(title, "dim")] if title and rows else []
        yield from (_line(row, value_ends) for row in rows)
    yield from (_line(row, value_ends) for row in below)
    yield from _told(panel, fitted)


def _headings(headings: Sequence[Sequence[str]], ends: Sequence[int]) -> Iterator[Text]:
    """Yield the lines of the headings, aligned at the bottom and to the right."""
    height = max(map(len, headings), default=0)
    for line in range(height):
        words = [lines[line - height + len(lines)] if line >= height - len(lines) else "" for lines in headings]
        yield _line(_Row(Text(""), [(Text(word, "bold"), Text("")) for word in words]), ends)


def _row(grid: Grid, row: GridRow, fitted: Fit) -> _Row:
    name = Text(fitted.names[Text(row_label(row)).plain] + _footnote_numbers(row.notes), _STYLES[row.kind])
    return _Row(name, [_cell(grid, row, row.cells[place]) for place in fitted.places])


def _line(row: _Row, ends: Sequence[int]) -> Text:
    """Return one line, with values that end where those of their column do; a wide one is moved to the right."""
    line = Text("", no_wrap=True).append(row.name)
    for (value, tail), end in zip(row.cells, ends, strict=True):
        if value.cell_len:
            line.append(" " * max(1, end - value.cell_len - line.cell_len)).append(value).append(tail)
    return line


def _told(panel: GridPanel, fitted: Fit) -> Iterator[Text]:
    """Yield which columns are left out and which names are cut."""
    left_out = [column for place, column in enumerate(panel.columns) if place not in fitted.places]
    rows = [row.name for row in panel.rows if not _shown(row, fitted.places)]
    models = [f"{len(rows)} {'model' if len(rows) == 1 else 'models'} without a score in these columns"] if rows else []
    if left_out:
        yield Text(
            f"left out: {', '.join([*left_out, *models])}; --columns, a wider terminal or --format csv shows them",
            "dim",
        )
    shown = {Text(row_label(row)).plain for row in panel.rows if _shown(row, fitted.places)}
    cut = {short: name for name, short in fitted.names.items() if short != name and name in shown}
    yield from (Text(f"{short} = {name}", "dim", whole=True) for short, name in cut.items())


def _stacked(grid: Grid, panel: GridPanel) -> Iterator[Text]:
    for group in panel.groups:
        yield Text(group.title, "dim")
        for row in group.rows:
            yield Text(row_label(row) + _footnote_numbers(row.notes), _STYLES[row.kind])
            for column, cell in zip(panel.columns, row.cells, strict=True):
                if cell.score is not None:
                    value, tail = _cell(grid, row, cell)
                    yield Text(f"  {column} ").append(value).append(tail)
    for name, cells in footer_rows(grid, panel):
        pairs = [f"{column} {cell}" for column, cell in zip(panel.columns, cells, strict=True) if cell]
        yield Text(f"{name}: {'; '.join(pairs)}", "dim")


def _cell(grid: Grid, row: GridRow, cell: Cell) -> tuple[Text, Text]:
    """Return the value of a cell, and what follows it: interval, difference and footnotes."""
    if cell.score is None:
        return Text(""), Text("")
    style = f"{_STYLES[row.kind]} {'bold' if cell.best else 'underline' if cell.second else ''}".strip()
    interval, delta = grid.interval(cell), grid.difference(cell)
    tail = (f" {interval}" if interval else "") + (f" ({delta})" if delta else "") + _footnote_numbers(cell.notes)
    return Text(grid.value(cell), style), Text(tail, "dim")


def _widest(cells: Sequence[tuple[Text, Text]]) -> tuple[int, int]:
    """Return the width of the widest value, and of the widest text behind a value."""
    return max((value.cell_len for value, _ in cells), default=0), max((tail.cell_len for _, tail in cells), default=0)


def _footnote_numbers(notes: list[int]) -> str:
    return f" [{','.join(map(str, notes))}]" if notes else ""

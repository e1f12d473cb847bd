"""Markdown: pipes, line breaks and markup in names are escaped."""

from __future__ import annotations

import re

from goldieval.core.text import one_line
from goldieval.report.formats.footer import footer_rows, legend, row_label
from goldieval.report.grid import Cell, Grid, GridPanel, GridRow


def escape(text: str) -> str:
    """Return escaped text.

    >>> escape("a|b <b>*x*</b>")
    'a\\\\|b &lt;b&gt;\\\\*x\\\\*&lt;/b&gt;'
    """
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", text)
    return re.sub(r"^( *)([#+=-]|[0-9]+[.)])(?= |$)", r"\1\\\2", text)  # no heading, rule or list where a line begins


def to_markdown(grid: Grid) -> str:
    lines = [f"**{escape(grid.title)}**"]
    for panel in grid.panels:
        lines += ["", *([f"*{escape(panel.title)}*", ""] if panel.title else []), *_panel(grid, panel)]
    lines += ["", *(f"{escape(line)}  " for line in legend(grid))] if grid.panels else []
    lines += [f"<sup>{number}</sup> {escape(text)}  " for number, text in enumerate(grid.footnotes, 1)]
    return "\n".join(lines).rstrip() + "\n"


def _panel(grid: Grid, panel: GridPanel) -> list[str]:
    lines = [_line(["", *map(escape, panel.columns)]), _line(["---", *["--:"] * len(panel.columns)])]
    for group in panel.groups:
        if group.title:
            lines.append(_line([f"**{escape(group.title)}**", *[""] * len(panel.columns)]))
        lines += [_line([_name(row), *(_cell(grid, row, cell) for cell in row.cells)]) for row in group.rows]
    return lines + [_line([name, *cells]) for name, cells in footer_rows(grid, panel)]


def _name(row: GridRow) -> str:
    name = escape(row_label(row))
    return (f"*{name}*" if row.kind == "published" else name) + _footnote_numbers(row.notes)


def _cell(grid: Grid, row: GridRow, cell: Cell) -> str:
    text = grid.value(cell)
    interval, delta = grid.interval(cell), grid.difference(cell)
    text = f"**{text}**" if cell.best else f"<u>{text}</u>" if cell.second else text
    text = f"*{text}*" if row.kind == "published" and text != "–" and cell.score else text
    text += f" {interval}" if interval else ""
    return (text + (f" ({delta})" if delta else "") if cell.score else "") + _footnote_numbers(cell.notes)


def _footnote_numbers(notes: list[int]) -> str:
    return f"<sup>{','.join(map(str, notes))}</sup>" if notes else ""


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"

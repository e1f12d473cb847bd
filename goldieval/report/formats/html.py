"""HTML: one self-contained file without scripts; text from files is escaped, and its invisible characters shown."""

from __future__ import annotations

import html
from typing import Any

from goldieval.core.text import one_line
from goldieval.report.formats.footer import footer_rows, legend, row_label
from goldieval.report.grid import Cell, Grid, GridPanel, GridRow

STYLE = """
:root{color-scheme:light dark;--paper:light-dark(#fff,#14181d);
--ink:light-dark(#1b1b1b,#e7eaee);--soft:light-dark(#5c5c5c,#a9b3bf);--line:light-dark(#ccc,#3a4450)}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;
color:var(--ink);background:var(--paper)}
table{border-collapse:collapse;margin:.4rem 0 1.2rem;border-top:2px solid;border-bottom:2px solid}
th,td{padding:.22rem .7rem;text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th:first-child,td:first-child{text-align:left}thead th{border-bottom:1px solid}
.group th{border-top:1px solid var(--line);font-weight:600}.published{font-style:italic;color:var(--soft)}
.second{text-decoration:underline}small{color:var(--soft)}
.foot td{color:var(--soft);border-top:1px solid var(--line);font-size:.86em}
.wide{overflow-x:auto}h1,.notes{overflow-wrap:break-word}
.notes{font-size:.86em;color:var(--soft)}.notes p{margin:.1rem 0}
"""


def escape(text: str) -> str:
    """Return escaped text, with invisible characters written out.

    >>> escape("<b>\u202ex")
    '&lt;b&gt;\\\\u202ex'
    """
    return html.escape(one_line(text))


def escape_invisible(value: Any) -> Any:
    """Return a value as a template prints it, for jinja2: invisible characters of strings are written out."""
    return one_line(value) if type(value) is str else value


def to_html(grid: Grid) -> str:
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(grid.title)}</title><style>{STYLE}</style></head>\n<body><h1>{escape(grid.title)}</h1>\n"
        f"{body(grid)}</body></html>\n"
    )


def body(grid: Grid) -> str:
    """Return panels, legend and footnotes without the surrounding page."""
    panels = "".join(
        (f"<h3>{escape(panel.title)}</h3>\n" if panel.title else "") + _panel(grid, panel) for panel in grid.panels
    )
    notes = "".join(f"<p>{escape(line)}</p>\n" for line in legend(grid))
    footnotes = "".join(f"<p><sup>{number}</sup> {escape(text)}</p>\n" for number, text in enumerate(grid.footnotes, 1))
    return f"{panels}<div class=notes>{notes}{footnotes}</div>"


def _panel(grid: Grid, panel: GridPanel) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in ["", *panel.columns])
    lines = [f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>"]
    for group in panel.groups:
        if group.title:
            lines.append(f"<tr class=group><th colspan={len(panel.columns) + 1}>{escape(group.title)}</th></tr>")
        lines += [_row(grid, row) for row in group.rows]
    for name, cells in footer_rows(grid, panel):
        lines.append(f"<tr class=foot><td>{name}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    return "\n".join([*lines, "</tbody></table></div>\n"])


def _row(grid: Grid, row: GridRow) -> str:
    cells = "".join(f"<td>{_cell(grid, cell)}</td>" for cell in row.cells)
    return f"<tr class={row.kind}><td>{escape(row_label(row))}{_footnote_numbers(row.notes)}</td>{cells}</tr>"


def _cell(grid: Grid, cell: Cell) -> str:
    if cell.score is None:
        return ""
    text = grid.value(cell)
    text = f"<b>{text}</b>" if cell.best else f"<span class=second>{text}</span>" if cell.second else text
    interval, delta = grid.interval(cell), grid.difference(cell)
    beside = [interval.replace(" ", "&nbsp;"), f"({delta})" if delta else ""]
    extra = "".join(f" <small>{part}</small>" for part in beside if part)
    return text + extra + _footnote_numbers(cell.notes)


def _footnote_numbers(notes: list[int]) -> str:
    return f"<sup>{','.join(map(str, notes))}</sup>" if notes else ""

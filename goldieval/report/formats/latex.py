"""LaTeX with booktabs; names are escaped, so that text from files cannot be a command."""

from __future__ import annotations

from goldieval.core.text import one_line
from goldieval.report.formats.footer import footer_rows, legend, row_label
from goldieval.report.grid import Cell, Grid, GridPanel, GridRow

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "–": "--", "×": r"$\times$", "…": r"\dots{}",
    "δ": r"$\delta$",
    "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip


def escape(text: str) -> str:
    r"""Return text that LaTeX prints as it is; letters that pdflatex does not know become a question mark.

    >>> escape(r"50 % of \input{x}_1")
    '50 \\% of \\textbackslash{}input\\{x\\}\\_1'
    >>> escape("δ1")
    '$\\delta$1'
    """
    return "".join(
        _ESCAPES.get(char, char if _printable(char) else "?") for char in one_line(" ".join(text.split(" ")))
    )


def _printable(char: str) -> bool:
    return " " <= char <= "~" or "\u00c0" <= char <= "\u00ff"


def to_latex(grid: Grid) -> str:
    """Return a ``table`` environment; needs ``\\usepackage{booktabs}`` and ``[T1]{fontenc}``."""
    lines = [r"\begin{table}", r"\centering\small", rf"\caption{{{escape(grid.title)}}}", rf"\label{{tab:{grid.name}}}"]
    for panel in grid.panels:
        lines += [
            *([rf"\par\smallskip\emph{{{escape(panel.title)}}}\par"] if panel.title else []),
            *_panel(grid, panel),
        ]
    below = [escape(line) for line in legend(grid)]
    below += [rf"$^{{{number}}}$\,{escape(text)}" for number, text in enumerate(grid.footnotes, 1)]
    lines += (
        [r"\par\smallskip", r"{\footnotesize\raggedright", *(rf"{line}\par" for line in below), "}"] if below else []
    )
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _panel(grid: Grid, panel: GridPanel) -> list[str]:
    width = len(panel.columns) + 1
    lines = [rf"\begin{{tabular}}{{l{'r' * len(panel.columns)}}}", r"\toprule"]
    lines += [_line(["", *map(escape, panel.columns)])]
    for group in panel.groups:
        lines.append(r"\midrule")
        if group.title:
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{{escape(group.title)}}} \\")
        lines += [_line([_name(row), *(_cell(grid, row, cell) for cell in row.cells)]) for row in group.rows]
    footer = footer_rows(grid, panel)
    lines += [r"\midrule", *(_line([name, *cells]) for name, cells in footer)] if footer else []
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _name(row: GridRow) -> str:
    name = escape(row_label(row))
    return (rf"\textit{{{name}}}" if row.kind == "published" else name) + _footnote_numbers(row.notes)


def _cell(grid: Grid, row: GridRow, cell: Cell) -> str:
    if cell.score is None:
        return ""
    text = grid.value(cell).replace("–", "--")
    text = rf"\textit{{{text}}}" if row.kind == "published" else text
    text = rf"\textbf{{{text}}}" if cell.best else rf"\underline{{{text}}}" if cell.second else text
    interval, delta = grid.interval(cell), grid.difference(cell)
    text += rf" {{\scriptsize {escape(interval)}}}" if interval else ""
    return text + (rf" {{\scriptsize({delta})}}" if delta else "") + _footnote_numbers(cell.notes)


def _footnote_numbers(notes: list[int]) -> str:
    return f"$^{{{','.join(map(str, notes))}}}$" if notes else ""


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"

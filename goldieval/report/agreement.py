"""Comparison of a table in a paper with the records, cell by cell."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.core.reading import read_text
from goldieval.report.formats import FORMATS
from goldieval.report.grid import Grid

Lines = list[list[str]]
Cells = dict[tuple[str, str], str]  # by row name and column name
_NUMBER = re.compile(r"[-+]?[0-9][0-9,]*(?:\.[0-9]+)?")
_FOOTER_ROWS = (
    "chance",
    "ceiling",
    "n",
    "MDD",
    "separable",
)  # the last is what tables of 0.1 call the minimum detectable difference


@dataclass(frozen=True)
class Disagreement:
    """One cell that differs.

    Attributes:
        row: name of the row.
        column: name of the column.
        in_file: number in the file.
        from_records: number from the records.
    """

    row: str
    column: str
    in_file: str
    from_records: str

    def __str__(self) -> str:
        return f"{self.row} / {self.column}: {self.in_file} in the file, {self.from_records} from the records"


def disagreements(file: Path, grid: Grid) -> list[Disagreement]:
    """Compare the numbers of a table file with the table as it is now.

    Rows and columns are found by name, so that a paper may leave some out or order them differently. Numbers with fewer
    digits in the file are compared to that many digits.

    Args:
        file: a .tex, .md, .html or .csv file as ``table`` writes it.
        grid: the table as it is now.

    Raises:
        GoldievalError: the file cannot be read, or there is no table in it.
    """
    kinds = {".tex": "latex", ".md": "markdown", ".html": "html", ".csv": "csv"}
    if file.suffix not in kinds:
        raise GoldievalError(f"--check {file}: name a .tex, .md, .html or .csv file.")
    try:
        text = read_text(file)
    except (OSError, UnicodeDecodeError) as error:
        raise GoldievalError(f"--check {file}: cannot be read: {error}") from error
    kind = kinds[file.suffix]
    in_file, from_records = ([_cells(lines) for lines in _READERS[kind](one)] for one in (text, FORMATS[kind](grid)))
    if not any(in_file):
        raise GoldievalError(f"--check {file}: no table with numbers in it.")
    pairs = _paired_panels(in_file, from_records)
    compared = (_compare(key, cell, panel.get(key, "")) for cells, panel in pairs for key, cell in cells.items())
    return [each for each in compared if each is not None]


def _paired_panels(in_file: list[Cells], from_records: list[Cells]) -> list[tuple[Cells, Cells]]:
    """Pair each panel of the file with the panel that shares most of its row and column names.

    Among several such panels, the one with most equal values is taken, then the first that is still free. A paper may
    therefore show only some of the panels.
    """
    free = list(range(len(from_records)))
    pairs = []
    for cells in in_file:

        def fit(place: int, cells: Cells = cells) -> tuple[int, int, int]:
            shared = cells.keys() & from_records[place].keys()
            agree = sum(_compare(key, cells[key], from_records[place][key]) is None for key in shared)
            return len(shared), agree, -place

        best = max(free, key=fit, default=None)
        pairs.append((cells, from_records[best] if best is not None else {}))
        if best is not None and cells.keys() & from_records[best].keys():
            free.remove(best)
    return pairs


def _compare(key: tuple[str, str], in_file: str, from_records: str) -> Disagreement | None:
    row, column = key
    old, new = _NUMBER.search(in_file), _NUMBER.search(from_records)
    if old is None:
        is_dash = new is not None and in_file.strip() in ("–", "-", "--")
        return Disagreement(row, column, "a dash", from_records) if is_dash else None
    if new is None:
        return Disagreement(row, column, in_file, "nothing")
    digits = len(old.group().partition(".")[2])
    unit = 10.0**-digits
    one, other = (float(number.group().replace(",", "")) for number in (old, new))
    rounded = f"{other:.{digits}f}"
    same = f"{one:.{digits}f}" == rounded or abs(one - other) < 0.5 * unit - 1e-9
    return None if same else Disagreement(row, column, old.group(), new.group())


def _cells(lines: Lines) -> Cells:
    """Return the cells of a panel by row name and column name; its first line contains the column names."""
    header, *rows = lines
    return {
        (row[0], column): cell
        for row in rows
        if len(row) == len(header) and row[0] not in _FOOTER_ROWS
        for column, cell in zip(header[1:], row[1:], strict=True)
        if cell.strip()
    }


def _markdown(text: str) -> list[Lines]:
    panels: list[Lines] = []
    open_ = False
    for line in text.splitlines():
        if not line.startswith("|"):
            open_ = False
            continue
        if not open_:
            panels.append([])
            open_ = True
        cells = [_plain_markdown(cell) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not all(re.fullmatch(r"[-: ]+", cell) for cell in cells):
            panels[-1].append(cells)
    return [panel for panel in panels if panel]


def _plain_markdown(cell: str) -> str:
    cell = re.sub(r"<sup>.*?</sup>|</?u>", "", cell)
    cell = re.sub(r"(?<!\\)\*", "", cell)
    return html.unescape(re.sub(r"\\([\\`*_\[\]|~$#+=-])", r"\1", cell)).strip()


def _latex(text: str) -> list[Lines]:
    panels = []
    for body in re.findall(r"\\begin\{tabular\}\{[^}]*\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        body = re.sub(r"(?<!\\)%.*", "", body)
        lines = [line for line in re.split(r"\\\\", body) if re.search(r"(?<!\\)&", line)]
        panels.append([[_plain_latex(cell) for cell in re.split(r"(?<!\\)&", line)] for line in lines])
    return [panel for panel in panels if panel]


def _plain_latex(cell: str) -> str:
    cell = re.sub(r"\\(toprule|midrule|bottomrule)\b|\\multicolumn\{\d+\}\{l\}", "", cell)
    cell = re.sub(r"\$\^\{[0-9,]*\}\$", "", cell)
    cell = re.sub(r"\{\\scriptsize.*$", "", cell)
    cell = re.sub(r"\\(textbf|textit|underline)\s*\{", "{", cell)
    names = {"textbackslash": "\\", "textless": "<", "textgreater": ">", "textbar": "|", "textasciitilde": "~",
             "textasciicircum": "^", "textquotedbl": '"', "dots": "…"}  # fmt: skip
    cell = re.sub(r"\\([a-zA-Z]+)\{\}", lambda match: names.get(match[1], match[0]), cell)
    cell = re.sub(r"(?<!\\)[{}]", "", cell)
    return re.sub(r"\\([&%$#_{}])", r"\1", cell).replace("--", "–").strip()


class _Tables(HTMLParser):
    """Collects the text of table cells; footnote numbers are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.panels: list[Lines] = []
        self._cell: list[str] | None = None
        self._superscripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.panels.append([])
        elif tag == "tr" and self.panels:
            self.panels[-1].append([])
        elif tag in ("td", "th") and self.panels and self.panels[-1]:
            self._cell = []
        elif tag == "sup":
            self._superscripts += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "sup":
            self._superscripts -= 1
        elif tag in ("td", "th") and self._cell is not None:
            self.panels[-1][-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None and not self._superscripts:
            self._cell.append(data)


def _html(text: str) -> list[Lines]:
    parser = _Tables()
    parser.feed(text)
    return [panel for panel in parser.panels if panel]


def _csv(text: str) -> list[Lines]:
    """Read a CSV table, with one number per row; a panel ends where its title changes, or a cell is repeated."""
    panels: list[tuple[str, dict[str, dict[str, str]]]] = []
    for row in csv.DictReader(io.StringIO(text)):
        title, model, column = (row.get(name) or "" for name in ("panel", "model", "column"))
        if not panels or panels[-1][0] != title or column in panels[-1][1].get(model, {}):
            panels.append((title, {}))
        panels[-1][1].setdefault(model, {})[column] = row.get("value") or "–"
    return [_lines(title, rows) for title, rows in panels]


def _lines(title: str, rows: dict[str, dict[str, str]]) -> Lines:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [[f"{model} ({title})", *(row.get(column, "") for column in columns)] for model, row in rows.items()]
    return [["", *columns], *lines]


_READERS: dict[str, Callable[[str], list[Lines]]] = {"markdown": _markdown, "latex": _latex, "html": _html, "csv": _csv}

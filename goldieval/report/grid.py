"""A table as rows of finished cells, before it becomes Markdown, LaTeX, HTML, CSV or lines on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from goldieval.metrics.units import PERCENT, UNITS
from goldieval.report.score import Kind, Score


@dataclass
class Cell:
    """What stands in one place.

    score: what it shows; None: nothing is known.   comparable: it takes part in marking.   notes: numbers of footnotes.
    delta: difference from the baseline, in the score's unit.
    """

    score: Score | None = None
    comparable: bool = True
    best: bool = False
    second: bool = False
    delta: float | None = None
    notes: list[int] = field(default_factory=list)


@dataclass
class GridRow:
    """One model under one setting."""

    name: str
    kind: Kind
    cells: list[Cell]
    notes: list[int] = field(default_factory=list)


@dataclass
class RowGroup:
    title: str
    rows: list[GridRow]


@dataclass
class GridPanel:
    """Rows that share columns. n, separable: per column, empty where not known.   metrics: of the columns, by name.

    separable_means: what ``separable`` is here, where it is not what it is of records.
    """

    title: str
    columns: list[str]
    metrics: list[str]
    groups: list[RowGroup]
    n: list[str] = field(default_factory=list)
    separable: list[float | None] = field(default_factory=list)
    separable_means: str = ""

    @property
    def rows(self) -> Iterator[GridRow]:
        return (row for group in self.groups for row in group.rows)

    def column(self, place: int) -> list[Cell]:
        return [row.cells[place] for row in self.rows]


@dataclass
class Grid:
    """The whole table. footnotes: numbered from 1.   faults: one line each, about what is not as the spec says.

    hints: what to do next, such as the command that makes the records that are not there.
    """

    name: str
    title: str
    digits: int
    intervals: bool
    panels: list[GridPanel]
    footnotes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def footnote(self, text: str) -> int:
        """Return the number of a footnote; the same words are one footnote."""
        if text not in self.footnotes:
            self.footnotes.append(text)
        return self.footnotes.index(text) + 1

    def number(self, value: float, unit: str, signed: bool = False) -> str:
        """Return a value as it is printed: percent from a fraction; metres with two digits more, scores without."""
        return UNITS[unit].text(value, self.digits, signed)

    def value(self, cell: Cell) -> str:
        """Return the value of a cell; a dash for one that is not known."""
        if cell.score is None or cell.score.value is None:
            return "–"
        return self.number(cell.score.value, cell.score.unit)

    def half_width(self, cell: Cell) -> str:
        """Return half the 95 % interval, or nothing where none was measured."""
        score = cell.score
        if not self.intervals or score is None or score.unreliable or score.low is None or score.high is None:
            return ""
        return self.number((score.high - score.low) / 2, score.unit)

    def difference(self, cell: Cell) -> str:
        if cell.delta is None or cell.score is None:
            return ""
        return self.number(cell.delta, cell.score.unit, signed=True)

    def smallest(self, panel: GridPanel) -> list[str]:
        """Return the smallest separable difference of each column as printed."""
        return ["" if one is None else self.number(one, PERCENT.name) for one in panel.separable]

"""A table as rows of cells, before it is formatted as Markdown, LaTeX, HTML, CSV or for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from goldieval.metrics.units import PERCENT, UNITS
from goldieval.report.numbers import interval_beside
from goldieval.report.score import Kind, Score


@dataclass
class Cell:
    """One cell.

    Attributes:
        score: what it shows; None for an empty cell.
        comparable: whether it takes part in marking.
        best: whether it is marked as the best.
        second: whether it is marked as the second.
        delta: difference from the baseline, in the unit of the score.
        notes: numbers of footnotes.
    """

    score: Score | None = None
    comparable: bool = True
    best: bool = False
    second: bool = False
    delta: float | None = None
    notes: list[int] = field(default_factory=list)


@dataclass
class GridRow:
    """One model under one setting.

    Attributes:
        name: name of the model.
        kind: where its scores come from.
        cells: cells, one per column.
        notes: numbers of footnotes.
    """

    name: str
    kind: Kind
    cells: list[Cell]
    notes: list[int] = field(default_factory=list)


@dataclass
class RowGroup:
    """Rows under one heading.

    Attributes:
        title: the heading.
        rows: the rows.
    """

    title: str
    rows: list[GridRow]


@dataclass
class GridPanel:
    """Rows that share columns.

    Attributes:
        title: heading of the panel.
        columns: headings of the columns.
        metrics: name of the metric of each column.
        groups: groups of rows.
        n: number of outcomes of each column, as printed; empty where it is not known.
        mdd: minimum detectable difference of each column, in the stored unit; None where it is not known.
        mdd_means: legend of ``mdd``, where it is not that of two independent models.
        headline: whether each column is the headline metric of its task; these are kept where space is short.
        chance: chance level of each column, as printed; empty where it is not known.
        ceiling: score of a perfect model in each column, as printed; empty where it is not known.
    """

    title: str
    columns: list[str]
    metrics: list[str]
    groups: list[RowGroup]
    n: list[str] = field(default_factory=list)
    mdd: list[float | None] = field(default_factory=list)
    mdd_means: str = ""
    headline: list[bool] = field(default_factory=list)
    chance: list[str] = field(default_factory=list)
    ceiling: list[str] = field(default_factory=list)

    @property
    def rows(self) -> Iterator[GridRow]:
        return (row for group in self.groups for row in group.rows)

    def column(self, place: int) -> list[Cell]:
        return [row.cells[place] for row in self.rows]

    def unit(self, place: int) -> str:
        """Return the name of the unit of a column."""
        return next((cell.score.unit for cell in self.column(place) if cell.score), PERCENT.name)


@dataclass
class Grid:
    """A whole table.

    Attributes:
        name: name of the table.
        title: caption of the table.
        digits: digits behind the point of a percentage.
        intervals: whether intervals are shown.
        panels: parts of the table.
        footnotes: texts of the footnotes, which are numbered from 1.
        notes: lines below the table.
        faults: one line for each deviation from the specification.
        hints: what to do next, such as the command that makes missing records.
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
        """Return the number of a footnote; equal texts share one footnote."""
        if text not in self.footnotes:
            self.footnotes.append(text)
        return self.footnotes.index(text) + 1

    def number(self, value: float, unit: str, signed: bool = False) -> str:
        """Return a value as it is printed, with the digits of the table and of the unit."""
        return UNITS[unit].text(value, self.digits, signed)

    def value(self, cell: Cell) -> str:
        """Return the value of a cell as it is printed; a dash if it is not known."""
        if cell.score is None or cell.score.value is None:
            return "–"
        return self.number(cell.score.value, cell.score.unit)

    def interval(self, cell: Cell) -> str:
        """Return the 95 % interval as ``± 1.3`` or ``(8.2–17.2)``; empty where there is none, or it is unreliable."""
        score = cell.score
        if not self.intervals or score is None or score.value is None or score.unreliable:
            return ""
        text = interval_beside(score.value, score.low, score.high, UNITS[score.unit], self.digits)
        return text if text.startswith("±") or not text else f"({text})"

    def difference(self, cell: Cell) -> str:
        if cell.delta is None or cell.score is None:
            return ""
        return self.number(cell.delta, cell.score.unit, signed=True)

    def mdd(self, panel: GridPanel) -> list[str]:
        """Return the minimum detectable difference of each column as printed."""
        return ["" if one is None else self.number(one, panel.unit(place)) for place, one in enumerate(panel.mdd)]

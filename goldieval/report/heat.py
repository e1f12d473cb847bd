"""The table as a heat table for the page: each cell knows its colour, its mark and the lines beside it."""

from __future__ import annotations

from dataclasses import dataclass

from goldieval.report.formats.footer import footer_rows
from goldieval.report.grid import Grid, GridPanel, GridRow
from goldieval.report.heat_cells import CellMaker, HeatCell
from goldieval.report.numbers import label
from goldieval.report.standings import Contest, Standings
from goldieval.report.table_sources import TableSources


@dataclass(frozen=True)
class HeatColumn:
    """One column.

    Attributes:
        title: its heading.
        metric: label of its metric, where the heading does not contain it.
        task: name of its task; empty for a property of the rows, such as the number of seeds.
    """

    title: str
    metric: str
    task: str


@dataclass(frozen=True)
class HeatRow:
    """One model.

    Attributes:
        name: name of the model.
        kind: where its scores come from.
        notes: numbers of footnotes.
        cells: its cells.
    """

    name: str
    kind: str
    notes: tuple[int, ...]
    cells: list[HeatCell]


@dataclass(frozen=True)
class HeatTable:
    """One panel of the table.

    Attributes:
        title: its heading.
        columns: its columns.
        chance: chance level of each column as text; empty where none is known.
        groups: pairs of a heading and rows of one kind.
        footer: one text per column, by name.
    """

    title: str
    columns: list[HeatColumn]
    chance: list[str]
    groups: list[tuple[str, list[HeatRow]]]
    footer: dict[str, list[str]]


def heat_tables(grid: Grid, sources: TableSources, compared: Standings) -> list[HeatTable]:
    """Return the panels of a table as heat tables; models that were measured here stand in the order of their leads.

    The rows of a training study keep their order, which is that of its plan.
    """
    by_place = {contest.place: contest for contest in compared.contests}
    ranks = {model.name: rank for rank, model in enumerate(compared.models)}
    return [
        _table(grid, panel, sources, [by_place.get((number, place)) for place in range(len(panel.columns))], ranks)
        for number, panel in enumerate(grid.panels)
    ]


def _table(
    grid: Grid, panel: GridPanel, sources: TableSources, contests: list[Contest | None], ranks: dict[str, int]
) -> HeatTable:
    columns = [CellMaker(grid, panel, place, sources, contest) for place, contest in enumerate(contests)]
    kept = [column for column in columns if column.scores]
    is_study = bool(panel.mdd_means)
    groups = []
    for group in panel.groups:
        rows = sorted(group.rows, key=lambda row: 0 if is_study else ranks.get(row.name, len(ranks)))
        groups += [(group.title, [_row(row, kept) for row in rows])] if rows else []
    footer = {name: [texts[column.place] for column in kept] for name, texts in footer_rows(grid, panel)}
    chance = footer.pop("chance", [])
    return HeatTable(panel.title, [heading(panel, column.place) for column in kept], chance, groups, footer)


def _row(row: GridRow, columns: list[CellMaker]) -> HeatRow:
    cells = [column.cell(row.name, row.cells[column.place]) for column in columns]
    return HeatRow(row.name, row.kind, tuple(row.notes), cells)


def heading(panel: GridPanel, place: int) -> HeatColumn:
    """Return the heading of a column, divided into task and metric where it is made of these."""
    title = panel.columns[place]
    score = next((cell.score for cell in panel.column(place) if cell.score and cell.score.task), None)
    if score is None:
        return HeatColumn(title, "", "")
    metric = label(score.metric)
    divided = title == f"{score.task} {metric}"
    return HeatColumn(score.task if divided else title, metric if divided else "", score.task)

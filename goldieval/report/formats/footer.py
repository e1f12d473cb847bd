"""Lines below the rows of a table, the same in all formats."""

from __future__ import annotations

from goldieval.report.grid import Grid, GridPanel, GridRow

PUBLISHED = "Rows in italics are published numbers, not measured here."
MDD = "MDD: minimum detectable difference of two independent models, with 80 % power."
N = (
    "n: outcomes of measured models; of published numbers images, since captions or items of one image are dependent, "
    "or what is named."
)
HALF = "± is half a 95 % interval."
ENDS = "(low–high) are the ends of a 95 % interval whose sides are not equally wide."
CHANCE = "chance: what a guess gets on these data."
CEILING = "ceiling: what a perfect model gets, as the task card states it."
IMPORTED = "Rows marked * are imported from other programs, not measured here."


def footer_rows(grid: Grid, panel: GridPanel) -> list[tuple[str, list[str]]]:
    """Return the rows of chance, ceiling, n and the minimum detectable difference, where any is known."""
    rows = [("chance", panel.chance), ("ceiling", panel.ceiling), ("n", panel.n), ("MDD", grid.mdd(panel))]
    return [(name, cells) for name, cells in rows if any(cells)]


def legend(grid: Grid) -> list[str]:
    """Return the sentences that explain the table, as far as they apply."""
    rows = [row for panel in grid.panels for row in panel.rows]
    cells = [cell for row in rows for cell in row.cells]
    intervals = {grid.interval(cell) for cell in cells}
    sentences = [
        (any(row.kind == "published" for row in rows), PUBLISHED),
        (any(row.kind == "imported" for row in rows), IMPORTED),
        (any(text.startswith("±") for text in intervals), HALF),
        (any(text.startswith("(") for text in intervals), ENDS),
        (any(cell.best for cell in cells), "Bold: best, and separable from the second at 5 %."),
        (any(cell.second for cell in cells), "Underlined: second, and separable from the third."),
    ]
    sentences += [
        (any(any(panel.chance) for panel in grid.panels), CHANCE),
        (any(any(panel.ceiling) for panel in grid.panels), CEILING),
        (any(any(panel.n) and any(row.kind == "published" for row in panel.rows) for panel in grid.panels), N),
    ]
    definitions = [panel.mdd_means or MDD for panel in grid.panels if any(panel.mdd)]
    return [*grid.notes, *(text for applies, text in sentences if applies), *dict.fromkeys(definitions)]


def row_label(row: GridRow) -> str:
    return f"{row.name} *" if row.kind == "imported" else row.name

"""What all formats say below the rows, in the same words."""

from __future__ import annotations

from goldieval.report.grid import Grid, GridPanel, GridRow

PUBLISHED = "Rows in italics are published numbers, not measured here."
SEPARABLE = "separable: smallest difference that two independent models would show here with 80 % power."
IMPORTED = "Rows marked * are imported from other harnesses, without intervals."


def foot_rows(grid: Grid, panel: GridPanel) -> list[tuple[str, list[str]]]:
    """Return n and the smallest separable difference of each column, where any is known."""
    rows = [("n", panel.n), ("separable", grid.smallest(panel))]
    return [(name, cells) for name, cells in rows if any(cells)]


def legend(grid: Grid) -> list[str]:
    """Return the sentences that explain what is in the table, only those that apply."""
    rows = [row for panel in grid.panels for row in panel.rows]
    cells = [cell for row in rows for cell in row.cells]
    known = [
        (any(row.kind == "published" for row in rows), PUBLISHED),
        (any(row.kind == "imported" for row in rows), IMPORTED),
        (any(grid.half_width(cell) for cell in cells), "± is half a 95 % interval."),
        (any(cell.best for cell in cells), "Bold: best, and separable from the second at 5 %."),
        (any(cell.second for cell in cells), "Underlined: second, and separable from the third."),
    ]
    shown = [panel.separable_means or SEPARABLE for panel in grid.panels if any(panel.separable)]
    return [*grid.notes, *(text for there, text in known if there), *dict.fromkeys(shown)]


def shown_name(row: GridRow) -> str:
    return f"{row.name} *" if row.kind == "imported" else row.name

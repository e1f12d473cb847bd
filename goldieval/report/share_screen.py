"""Tables of shares of variance in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.table import Table

from goldieval.core.display import Text
from goldieval.metrics.variance_shares import Share
from goldieval.report.share_table import ShareRow, ShareTable

CHANCE = "chance"
GAP = 1  # cells between columns
SAME = "all the same"


def share_panels(table: ShareTable, width: int) -> list[Table]:
    """Return shares in percent, and in a last row what chance stays below, in one table or, if narrow, several.

    Args:
        table: the table.
        width: cells of the terminal; columns that do not fit beside the others follow in a further table.
    """
    lines = _lines(table)
    names, *widths = (GAP + max(map(cell_len, cells)) for cells in zip(*lines, strict=True))
    blocks: list[list[int]] = []
    free = 0
    for place, wide in enumerate(widths, start=1):
        if wide > free:
            blocks.append([])
            free = width + GAP - names
        blocks[-1].append(place)
        free -= wide
    return [_panel(table, lines, places) for places in blocks]


def _lines(table: ShareTable) -> list[list[str]]:
    """Return headings, rows and chance, all equally long."""
    headings = ["", *table.columns.values(), *table.beside]
    lines = [headings, *(_cells(table, row) for row in table.rows)]
    if chance := table.chance:
        limits = [f"{100 * chance[name]:.1f}" if name in chance else "" for name in table.columns]
        lines.append([CHANCE, *limits, *("50" for _ in table.beside)])
    return [line + [""] * (len(headings) - len(line)) for line in lines]


def _panel(table: ShareTable, lines: Sequence[Sequence[str]], places: Sequence[int]) -> Table:
    """Return some columns of a table."""
    shown = Table(box=None, padding=(0, GAP, 0, 0), header_style="bold", pad_edge=False)
    shown.add_column("", no_wrap=True)
    for place in places:
        shown.add_column(Text(lines[0][place]), justify="right", no_wrap=True)
    dim = [*(row.reference for row in table.rows), *([True] if table.chance else [])]
    for line, grey in zip(lines[1:], dim, strict=True):
        shown.add_row(*(Text(line[place]) for place in (0, *places)), style="dim" if grey else "")
    return shown


def interval_note(table: ShareTable) -> str:
    """Return a sentence about chance and about the intervals that the table does not show; empty without numbers."""
    names = [name for name in table.columns if name not in table.intervals]
    rows = [row.shares for row in table.rows if row.shares is not None]
    halves = [shares[name].half for shares in rows for name in names if name in shares]
    if not halves:
        return ""
    others = "other numbers" if table.intervals else "numbers"
    return (
        f"chance: 95 % of random assignments of the labels give less. 95 % intervals of {others}: at most "
        f"± {100 * max(halves):.1f}."
    )


def _cells(table: ShareTable, row: ShareRow) -> list[str]:
    if row.shares is None:
        return [row.name, SAME]
    shares = [_cell(row.shares.get(name), name in table.intervals) for name in table.columns]
    return [row.name, *shares, *(f"{100 * row.beside[name]:.0f}" for name in table.beside)]


def _cell(share: Share | None, interval: bool) -> str:
    """Return a share in percent; nothing if a feature has none of that name."""
    if share is None:
        return ""
    return with_interval(share) if interval else percent(share.value)


def with_interval(share: Share) -> str:
    """Return a share in percent with half of its 95 % interval."""
    return f"{percent(share.value)} ± {100 * share.half:.1f}"


def percent(share: float) -> str:
    """Return a share in percent; an estimate just below zero is shown as zero.

    >>> percent(0.1234), percent(-0.0004)
    ('12.3', '0.0')
    """
    return f"{100 * max(share, 0.0):.1f}"

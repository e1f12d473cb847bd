"""A table of many rows for the terminal: cells of one line, padded with spaces.

``rich.table`` measures and renders every cell several times; a folder of thousands of records takes it minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache

import rich.console
from rich.cells import cell_len
from rich.console import ConsoleOptions
from rich.segment import Segment
from rich.style import Style

from goldieval.core.text import fit_encoding, one_line

BOLD = Style(bold=True)


class Columns:
    """Rows of text under bold headings, as a rich renderable.

    Args:
        headings: headings of the columns.
        left: number of first columns that are left-aligned; the others are right-aligned.
    """

    def __init__(self, headings: Sequence[str], left: int) -> None:
        self._left = left
        self._rows: list[tuple[list[tuple[str, int]], int]] = []
        self._widths = [0] * len(headings)
        self.add_row(headings, bold=len(headings))

    def add_row(self, cells: Sequence[str], bold: int = 0) -> None:
        """Add a row, of which the first ``bold`` cells are bold."""
        encoding = getattr(sys.stdout, "encoding", None)
        fitted = [_fitted(cell, encoding) for cell in cells]
        self._widths = [max(width, own) for width, (_, own) in zip(self._widths, fitted, strict=True)]
        self._rows.append((fitted, bold))

    @property
    def width(self) -> int:
        """Cells of the terminal that a row takes."""
        return sum(self._widths) + len(self._widths) - 1

    def __rich_console__(self, console: rich.console.Console, options: ConsoleOptions) -> Iterator[Segment]:
        for cells, bold in self._rows:
            padded = [
                f"{cell}{' ' * (width - own)}" if column < self._left else f"{' ' * (width - own)}{cell}"
                for column, ((cell, own), width) in enumerate(zip(cells, self._widths, strict=True))
            ]
            yield Segment(" ".join(padded[:bold]) + " " * (0 < bold < len(padded)), BOLD)
            yield Segment(" ".join(padded[bold:]) + "\n")


@lru_cache(maxsize=65536)
def _fitted(text: str, encoding: str | None) -> tuple[str, int]:
    """Return one line of text that the terminal can encode, and how many of its cells that takes."""
    line = fit_encoding(one_line(text), encoding)
    return line, cell_len(line)

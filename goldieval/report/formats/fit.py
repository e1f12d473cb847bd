"""What of a table fits into the width of a terminal: fewer columns first, then shorter names."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from goldieval.report.short_names import shortened

GAP = 2
NARROWEST_NAMES = 12


@dataclass(frozen=True)
class Measured:
    """A panel in cells of the terminal.

    Attributes:
        names: names of the rows, of which equal ones are one model under several settings.
        marks: width of what follows each name, such as footnote numbers.
        headings: headings of the columns.
        widths: width of the widest cell of each column below its heading.
        keep: rank of each column; those of the highest rank are left out first.
    """

    names: Sequence[str]
    marks: Sequence[int]
    headings: Sequence[str]
    widths: Sequence[int]
    keep: Sequence[int]


@dataclass(frozen=True)
class Fit:
    """A panel as it fits.

    Attributes:
        places: the columns that are shown, in order.
        headings: the heading of each of them, in lines.
        names: each name as it is shown.
    """

    places: list[int]
    headings: list[list[str]]
    names: dict[str, str]


def fit(panel: Measured, width: int, ellipsis: str = "…") -> Fit | None:
    """Return what is shown in ``width`` cells; None if not even one column with short names fits.

    Everything is shown if it fits, with headings of several lines if need be. Else columns are left out, those of the
    highest ``keep`` and then the last ones first, down to rank 0. If these do not fit beside the whole names, names are
    cut; only if that is not enough, more columns are left out.
    """
    whole = {name: name for name in panel.names}
    everything = list(range(len(panel.headings)))
    one_line = [[heading] for heading in panel.headings]
    if _name_width(panel) + _columns_width(panel, everything, one_line) <= width:
        return Fit(everything, one_line, whole)
    wrapped = [_wrapped(heading, cells) for heading, cells in zip(panel.headings, panel.widths, strict=True)]
    order = sorted(everything, key=lambda place: (panel.keep[place], place))
    required = max(1, sum(panel.keep[place] == 0 for place in everything))
    narrow = min(_name_width(panel), max(NARROWEST_NAMES, width // 4))
    for names, counts in (
        (_name_width(panel), range(len(order), required - 1, -1)),
        (narrow, range(min(required, len(order)), 0, -1)),
    ):
        for count in counts:
            places = sorted(order[:count])
            room = width - _columns_width(panel, places, wrapped)
            if room >= names:
                return Fit(places, [wrapped[place] for place in places], _cut(panel, room, ellipsis))
    return None


def _name_width(panel: Measured) -> int:
    return max((cell_len(name) + mark for name, mark in zip(panel.names, panel.marks, strict=True)), default=0)


def _columns_width(panel: Measured, places: Sequence[int], headings: Sequence[list[str]]) -> int:
    return sum(GAP + max(panel.widths[place], *map(cell_len, headings[place])) for place in places)


def _cut(panel: Measured, room: int, ellipsis: str) -> dict[str, str]:
    """Return names that fit into ``room`` cells together with what follows the widest of them."""
    if _name_width(panel) <= room:
        return {name: name for name in panel.names}
    return shortened(panel.names, max(NARROWEST_NAMES, room - max(panel.marks)), ellipsis)


def _wrapped(heading: str, cells: int) -> list[str]:
    """Return a heading in lines as narrow as its longest word, or as the cells below it."""
    longest = max(map(cell_len, heading.replace("-", "- ").split()), default=0)
    return textwrap.wrap(heading, max(cells, longest, 1), break_long_words=False) or [""]

"""The legend of a segmentation sheet: names are wrapped and never cut, and the legend grows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from goldieval.core.drawn_text import Font, lines_within
from goldieval.data.masks import IGNORED
from goldieval.families.class_overlay import HATCH, INK, PAPER
from goldieval.families.class_shares import percent
from goldieval.families.sheet_colours import Colour

LINE, INDENT = 18, 10  # height of a line, and indentation of the second line of a name, in pixels
SWATCH, GAP = 18, 14  # widths: of a colour with its margin, and between columns
COLUMN_MAX = 300  # width of a column; longer names continue on the next line


@dataclass(frozen=True)
class Entry:
    """An entry of the legend: the class, ``IGNORED`` for pixels without a label, and its text in lines."""

    number: int
    lines: list[str]


def entries_of(
    shares: Mapping[int, Sequence[float]], ignored: float, labels: Sequence[str], room: int, font: Font
) -> list[Entry]:
    """Return the entries: number and name of a class, and its share of the labelled pixels in truth and prediction.

    Args:
        shares: the two shares of each class, see ``class_shares``.
        ignored: share of the pixels without a label.
        labels: label of each class.
        room: width of a line in pixels.
        font: the font of the legend.
    """
    texts = {
        number: f"{number} {labels[number]} {percent(true)} / {percent(predicted)} %"
        for number, (true, predicted) in shares.items()
    }
    if ignored:
        texts[IGNORED] = f"no label {percent(ignored)} %"
    return [Entry(number, lines_within(text, room - INDENT, font)) for number, text in texts.items()]


def legend_of(
    entries: Sequence[Entry],
    colours: Mapping[int, Colour],
    width: int,
    font: Font,
) -> Image.Image:
    """Return the legend, in as many columns of equal width as fit, read downwards."""
    longest = max((font.getlength(line) for entry in entries for line in entry.lines), default=0)
    wide = SWATCH + INDENT + GAP + math.ceil(longest)
    columns = max(1, (width + GAP) // wide)
    stacks = _stacks(entries, columns)
    sheet = Image.new("RGB", (width, max(sum(len(entry.lines) for entry in stack) for stack in stacks) * LINE), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, stack in enumerate(stacks):
        left, top = column * wide, 0
        for entry in stack:
            _swatch(pen, left, top + 2, colours.get(entry.number))
            for place, line in enumerate(entry.lines):
                pen.text((left + SWATCH + INDENT * (place > 0), top + place * LINE), line, INK, font)
            top += LINE * len(entry.lines)
    return sheet


def _stacks(entries: Sequence[Entry], columns: int) -> list[list[Entry]]:
    """Return the entries of each column; columns are filled to about equal numbers of lines."""
    lines = sum(len(entry.lines) for entry in entries)
    stacks: list[list[Entry]] = [[]]
    for entry in entries:
        if len(stacks) < columns and sum(len(each.lines) for each in stacks[-1]) >= lines / columns:
            stacks.append([])
        stacks[-1].append(entry)
    return stacks


def _swatch(pen: ImageDraw.ImageDraw, left: int, top: int, colour: Colour | None) -> None:
    """Draw the box of a colour; hatched for pixels without a label."""
    pen.rectangle((left, top, left + 12, top + 12), colour or PAPER, INK)
    for step in range(HATCH, 12 * (colour is None), HATCH // 2):
        pen.line((left, top + step, left + step, top), INK)
        pen.line((left + step, top + 12, left + 12, top + step), INK)

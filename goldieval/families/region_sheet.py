"""PNG of a picture with its boxes, numbered, and a list of what each shows and what the model took it for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from PIL import Image, ImageDraw, ImageFont

from goldieval.core.drawn_text import Font, lines_within
from goldieval.families.class_overlay import INK, PAPER
from goldieval.families.sheet_colours import Colour

PANEL_MAX, PANEL_MIN = 560, 280  # longer side of the picture, in pixels
LIST = 360  # width of the list
MARGIN, LINE, INDENT = 10, 18, 30
MOST = 60  # boxes that are drawn
# Told apart without colour vision too: wrong boxes are dashed, and the list says what they were taken for.
RIGHT: Colour = (0, 114, 178)
WRONG: Colour = (213, 94, 0)
Place = tuple[float, float]


@dataclass(frozen=True)
class DrawnBox:
    """A box with its answer.

    Attributes:
        corners: Left, top, right and bottom in pixels of the picture.
        true: Name or text of what it shows.
        given: What the model took it for.
        right: Whether that is true.
    """

    corners: Sequence[float]
    true: str
    given: str
    right: bool

    def lines(self, font: Font) -> list[tuple[str, Colour]]:
        """Return its lines in the list, each with its colour."""
        taken = "" if self.right else f"taken for: {self.given}" if self.given else "has no area in the picture"
        texts = ((self.true, INK), (taken, WRONG))
        return [(line, colour) for text, colour in texts for line in lines_within(text, LIST - INDENT, font)]


def sheet_name(number: int, id: str) -> str:
    """Return the file name: index of the picture in the data, and its name.

    >>> sheet_name(3, "val2017/0001 a.jpg")
    '0003-0001_a.png'
    """
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in PurePosixPath(id).stem)
    return f"{number:04d}-{stem[-60:]}.png"


def region_sheet(picture: Image.Image, boxes: Sequence[DrawnBox]) -> bytes:
    """Return the PNG: the picture with numbered boxes, and the list beside it.

    Args:
        picture: The picture.
        boxes: Its boxes; the first ``MOST`` are drawn.
    """
    font = ImageFont.load_default(size=13)
    longest = max(picture.size)
    panel = boxed(picture, boxes[:MOST], min(PANEL_MAX / longest, max(1.0, PANEL_MIN / longest)))
    entries = [(box, box.lines(font)) for box in boxes[:MOST]]
    right = sum(box.right for box in boxes)
    more = f", of which {MOST} are shown" if len(boxes) > MOST else ""
    title = lines_within(f"{right:,} of {len(boxes):,} boxes named right{more}", LIST, font)
    height = LINE * (len(title) + sum(len(lines) for _, lines in entries)) + LINE // 2
    size = panel.width + LIST + 3 * MARGIN, max(panel.height, height) + 2 * MARGIN
    sheet = Image.new("RGB", size, PAPER)
    sheet.paste(panel, (MARGIN, MARGIN))
    pen, left, top = ImageDraw.Draw(sheet), panel.width + 2 * MARGIN, MARGIN
    for line in title:
        pen.text((left, top), line, INK, font)
        top += LINE
    top += LINE // 2
    for number, (box, lines) in enumerate(entries, start=1):
        pen.text((left, top), str(number), _colour(box), font)
        for line, colour in lines:
            pen.text((left + INDENT, top), line, colour, font)
            top += LINE
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def boxed(picture: Image.Image, boxes: Sequence[DrawnBox], scale: float) -> Image.Image:
    """Return a picture with numbered boxes, wrong ones dashed, resized by a factor."""
    font = ImageFont.load_default(size=13)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    panel = picture.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(panel)
    for number, box in enumerate(boxes, start=1):
        left, top, right, bottom = (corner * scale for corner in box.corners)
        around = [(left, top), (right, top), (right, bottom), (left, bottom)]
        for start, end in zip(around, [*around[1:], around[0]], strict=True):
            _edge(pen, start, end, box)
        _label(pen, str(number), (left, top), panel.size, _colour(box), font)
    return panel


def _edge(pen: ImageDraw.ImageDraw, start: Place, end: Place, box: DrawnBox) -> None:
    """Draw an edge over a light one, so that it is seen on any picture; that of a wrong box in dashes."""
    pen.line([start, end], PAPER, 4)
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1.0)
    step = length if box.right else 10.0
    dash = length if box.right else 6.0
    place = 0.0
    while place < length:
        ends = [_between(start, end, at / length) for at in (place, min(place + dash, length))]
        pen.line(ends, _colour(box), 2)
        place += step


def _between(start: Place, end: Place, share: float) -> Place:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _label(
    pen: ImageDraw.ImageDraw, text: str, corner: Place, size: tuple[int, int], colour: Colour, font: Font
) -> None:
    """Write the number of a box on its upper left corner, inside the picture."""
    width = round(font.getlength(text)) + 6
    left = min(max(corner[0], 0), size[0] - width)
    top = min(max(corner[1], 0), size[1] - LINE)
    pen.rectangle((left, top, left + width, top + LINE - 2), colour)
    pen.text((left + 3, top), text, PAPER, font)


def _colour(box: DrawnBox) -> Colour:
    return RIGHT if box.right else WRONG

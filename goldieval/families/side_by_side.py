"""PNG of a picture with its truth and prediction side by side, and a legend of the classes that occur."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from goldieval.core.drawn_text import lines_within
from goldieval.data.masks import IGNORED
from goldieval.data.small_maps import resized_map
from goldieval.families.class_overlay import INK, PAPER, overlay
from goldieval.families.class_shares import by_importance, class_shares
from goldieval.families.sheet_colours import OTHERS, Colour, sheet_colours
from goldieval.families.sheet_legend import COLUMN_MAX, LINE, SWATCH, entries_of, legend_of

PANEL_MAX = 480  # longer side of a panel, in pixels
PANEL_MIN = 96
MARGIN = 8
NOTE = "Percentages: shares of the labelled pixels in the truth / in the prediction."
GREY_NOTE = " Grey: classes with smaller areas."
TITLES = ("picture", "truth", "prediction")


@dataclass(frozen=True)
class DrawnPicture:
    """A picture with its truth and its prediction.

    Attributes:
        id: id of the image.
        number: index of the image in the data.
        picture: uint8, shape (height, width, 3).
        truth: true class of every pixel, shape (height, width).
        prediction: predicted class of every pixel, shape (height, width).
    """

    id: str
    number: int
    picture: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray

    @property
    def name(self) -> str:
        """File name: index in the data and name of the picture."""
        stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in PurePosixPath(self.id).stem)
        return f"{self.number:04d}-{stem[-60:]}.png"


def side_by_side(sample: DrawnPicture, labels: Sequence[str]) -> bytes:
    """Return the PNG: three panels, and a legend of all classes in truth or prediction, the largest in the truth first.

    Args:
        sample: the picture.
        labels: label of each class.
    """
    font = ImageFont.load_default(size=13)
    scale = min(PANEL_MAX / max(sample.truth.shape), max(1.0, PANEL_MIN * 2 / max(sample.truth.shape)))
    height, width = (max(1, round(side * scale)) for side in sample.truth.shape)
    shares = class_shares(sample.truth, [sample.prediction], len(labels))
    colours = sheet_colours(by_importance(shares))
    panels = _panels(sample, colours, width, height)
    room = max(width, PANEL_MIN)
    inside = len(panels) * (room + MARGIN) - MARGIN
    ignored = float((sample.truth == IGNORED).mean())
    entries = entries_of(shares, ignored, labels, min(COLUMN_MAX, inside - SWATCH), font)
    legend = legend_of(entries, colours, inside, font)
    note = lines_within(NOTE + (GREY_NOTE if OTHERS in colours.values() else ""), inside, font)
    top = 2 * MARGIN + LINE + height
    sheet = Image.new("RGB", (inside + 2 * MARGIN, top + legend.height + len(note) * LINE + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (panel, title) in enumerate(zip(panels, TITLES, strict=True)):
        left = MARGIN + number * (room + MARGIN)
        pen.text((left, MARGIN // 2), title, INK, font)
        sheet.paste(panel, (left, MARGIN + LINE))
    sheet.paste(legend, (MARGIN, top))
    for number, line in enumerate(note):
        pen.text((MARGIN, top + legend.height + number * LINE), line, INK, font)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _panels(sample: DrawnPicture, colours: Mapping[int, Colour], width: int, height: int) -> list[Image.Image]:
    picture = Image.fromarray(sample.picture).resize((width, height), Image.Resampling.BILINEAR)
    truth, prediction = (resized_map(classes, width, height) for classes in (sample.truth, sample.prediction))
    return [picture, *(overlay(picture, classes, truth == IGNORED, colours) for classes in (truth, prediction))]

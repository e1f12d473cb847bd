"""PNG of a picture with its truth and prediction side by side, and a legend of the classes that occur."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from goldieval.data.masks import IGNORED

PANEL_MAX = 480  # longer side of a panel, in pixels
PANEL_MIN = 96
MARGIN, LINE = 8, 18
SWATCH, GAP = 18, 14  # widths in the legend: of a colour with its margin, and between columns
PICTURE_OPACITY = 0.35  # of the grey picture under the colours of the classes
WHITE_OPACITY = 0.7  # of the white over ignored pixels
PAPER, INK, UNLABELLED = (255, 255, 255), (20, 20, 20), (255, 255, 255)
HATCH = 6  # distance in pixels between the strokes on pixels without a label


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


def side_by_side(sample: DrawnPicture, labels: Sequence[str], palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Return the PNG: three panels, and a legend of all classes in truth or prediction, the largest in the truth first.

    Args:
        sample: the picture.
        labels: label of each class.
        palette: colour of each class.
    """
    scale = min(PANEL_MAX / max(sample.truth.shape), max(1.0, PANEL_MIN * 2 / max(sample.truth.shape)))
    height, width = (max(1, round(side * scale)) for side in sample.truth.shape)
    picture = Image.fromarray(sample.picture).resize((width, height), Image.Resampling.BILINEAR)
    maps = [_resized(classes, width, height) for classes in (sample.truth, sample.prediction)]
    panels = [picture, *(_coloured(picture, classes, maps[0] == IGNORED, palette) for classes in maps)]
    room = max(width, PANEL_MIN)
    total = 3 * room + 4 * MARGIN
    font = ImageFont.load_default(size=13)
    entries = _entries(sample, labels, lambda text: total - 2 * MARGIN - SWATCH >= font.getlength(text))
    wide = SWATCH + GAP + math.ceil(max((font.getlength(text) for _, text in entries), default=0))
    columns = max(1, (total - 2 * MARGIN + GAP) // wide)
    below = -(-len(entries) // columns) * LINE
    sheet = Image.new("RGB", (total, 3 * MARGIN + LINE + height + below), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (panel, title) in enumerate(zip(panels, ("picture", "truth", "prediction"), strict=True)):
        left = MARGIN + number * (room + MARGIN)
        pen.text((left, MARGIN // 2), title, INK, font)
        sheet.paste(panel, (left, MARGIN + LINE))
    for number, (colour_of, text) in enumerate(entries):
        left = MARGIN + number % columns * wide
        top = 2 * MARGIN + LINE + height + number // columns * LINE
        pen.rectangle((left, top + 2, left + 12, top + 14), UNLABELLED if colour_of < 0 else palette[colour_of], INK)
        pen.text((left + SWATCH, top), text, INK, font)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _resized(classes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return a map resized by nearest neighbour, so that classes are not mixed."""
    rows = np.minimum(np.arange(height) * classes.shape[0] // height, classes.shape[0] - 1)
    columns = np.minimum(np.arange(width) * classes.shape[1] // width, classes.shape[1] - 1)
    nearest: np.ndarray = classes[rows[:, None], columns[None]]
    return nearest


def _coloured(
    picture: Image.Image, classes: np.ndarray, ignored: np.ndarray, palette: Sequence[tuple[int, int, int]]
) -> Image.Image:
    """Return the grey picture under the colours of the classes; ignored pixels are pale and hatched."""
    table = np.array([*palette, UNLABELLED], dtype=np.float32)
    grey = np.asarray(picture.convert("L"), dtype=np.float32)[..., None]
    mixed = PICTURE_OPACITY * grey + (1 - PICTURE_OPACITY) * table[np.where(classes == IGNORED, len(palette), classes)]
    mixed[ignored] = (1 - WHITE_OPACITY) * mixed[ignored] + WHITE_OPACITY * np.array(UNLABELLED, dtype=np.float32)
    stroke = np.add.outer(np.arange(classes.shape[0]), np.arange(classes.shape[1])) % HATCH == 0
    mixed[ignored & stroke] = INK
    return Image.fromarray(mixed.astype(np.uint8))


def _entries(sample: DrawnPicture, labels: Sequence[str], fits: Callable[[str], bool]) -> list[tuple[int, str]]:
    """Return class and text of each entry of the legend: name, and share of labelled pixels in truth and prediction."""
    labelled = max(int((sample.truth != IGNORED).sum()), 1)
    true, predicted = (
        np.bincount(classes[sample.truth != IGNORED].ravel(), minlength=len(labels))
        for classes in (sample.truth, sample.prediction)
    )
    present = sorted(np.flatnonzero(true + predicted), key=lambda row: (-true[row], -predicted[row]))
    entries = [
        (
            int(row),
            _fitted(labels[row], f" {100 * true[row] / labelled:.0f} / {100 * predicted[row] / labelled:.0f} %", fits),
        )
        for row in present
    ]
    ignored = (sample.truth == IGNORED).mean()
    return entries + ([(IGNORED, f"no label {100 * ignored:.0f} %")] if ignored else [])


def _fitted(name: str, end: str, fits: Callable[[str], bool]) -> str:
    """Return a name followed by ``end``; a name that does not fit is shortened and ends with an ellipsis."""
    cuts = [name, *(f"{name[:length].rstrip()}…" for length in range(len(name) - 1, 0, -1))]
    return next((cut + end for cut in cuts if fits(cut + end)), end.strip())

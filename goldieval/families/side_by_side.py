"""A picture, its truth and its prediction side by side, with a legend of the classes that occur: PNG bytes."""

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
SWATCH, GAP = 18, 14  # of the legend: before a name, between columns
PICTURE_OPACITY = 0.35  # of the grey picture under the colours of the classes
WHITE_OPACITY = 0.7  # of the white over pixels that are not counted
PAPER, INK, UNLABELLED = (255, 255, 255), (20, 20, 20), (255, 255, 255)
HATCH = 6  # pixels between the strokes on what has no label


@dataclass(frozen=True)
class DrawnPicture:
    """One picture (height, width, 3) uint8, with truth and prediction as class indices (height, width)."""

    id: str
    number: int
    picture: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray

    @property
    def name(self) -> str:
        """File name: the order in the data, and what the picture is called."""
        stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in PurePosixPath(self.id).stem)
        return f"{self.number:04d}-{stem[-60:]}.png"


def side_by_side(sample: DrawnPicture, labels: Sequence[str], palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Return three panels and a legend: every class of the truth or the prediction, the largest in the truth first."""
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
    """Take the nearest pixel's class: classes are not mixed."""
    rows = np.minimum(np.arange(height) * classes.shape[0] // height, classes.shape[0] - 1)
    columns = np.minimum(np.arange(width) * classes.shape[1] // width, classes.shape[1] - 1)
    taken: np.ndarray = classes[rows[:, None], columns[None]]
    return taken


def _coloured(
    picture: Image.Image, classes: np.ndarray, ignored: np.ndarray, palette: Sequence[tuple[int, int, int]]
) -> Image.Image:
    """Lay the classes' colours over the grey picture; what has no label in the truth is pale and hatched."""
    table = np.array([*palette, UNLABELLED], dtype=np.float32)
    grey = np.asarray(picture.convert("L"), dtype=np.float32)[..., None]
    mixed = PICTURE_OPACITY * grey + (1 - PICTURE_OPACITY) * table[np.where(classes == IGNORED, len(palette), classes)]
    mixed[ignored] = (1 - WHITE_OPACITY) * mixed[ignored] + WHITE_OPACITY * np.array(UNLABELLED, dtype=np.float32)
    stroke = np.add.outer(np.arange(classes.shape[0]), np.arange(classes.shape[1])) % HATCH == 0
    mixed[ignored & stroke] = INK
    return Image.fromarray(mixed.astype(np.uint8))


def _entries(sample: DrawnPicture, labels: Sequence[str], fits: Callable[[str], bool]) -> list[tuple[int, str]]:
    """Return (class, text) with the share of labelled pixels in truth and prediction; too long a name is cut."""
    known = max(int((sample.truth != IGNORED).sum()), 1)
    true, found = (
        np.bincount(classes[sample.truth != IGNORED].ravel(), minlength=len(labels))
        for classes in (sample.truth, sample.prediction)
    )
    there = sorted(np.flatnonzero(true + found), key=lambda row: (-true[row], -found[row]))
    entries = [
        (
            int(row),
            _fitted(labels[row], f" {100 * true[row] / known:.0f} / {100 * found[row] / known:.0f} %", fits),
        )
        for row in there
    ]
    ignored = (sample.truth == IGNORED).mean()
    return entries + ([(IGNORED, f"no label {100 * ignored:.0f} %")] if ignored else [])


def _fitted(name: str, end: str, fits: Callable[[str], bool]) -> str:
    """Return the longest beginning of a name that fits before its end, with an ellipsis where it is not all of it."""
    cuts = [name, *(f"{name[:length].rstrip()}…" for length in range(len(name) - 1, 0, -1))]
    return next((cut + end for cut in cuts if fits(cut + end)), end.strip())

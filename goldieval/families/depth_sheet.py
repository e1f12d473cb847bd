"""PNG of a picture with its true and its predicted depth side by side, in colours of one scale that is drawn below."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from goldieval.core.drawn_text import lines_within
from goldieval.data.small_maps import resized_map
from goldieval.families.class_overlay import HATCH, INK, PAPER
from goldieval.families.side_by_side import MARGIN, PANEL_MAX, PANEL_MIN, TITLES, DrawnPicture
from goldieval.metrics.depth import root_mean_square

LINE, BAR, TICK = 17, 12, 4  # heights in pixels
COLOURS = "viridis"  # perceptually uniform, also for readers with colour blindness
TICKS = 5


def depth_sheet(sample: DrawnPicture) -> bytes:
    """Return the PNG: picture, truth and prediction, the scale in metres, and the error of this picture.

    Args:
        sample: the picture; its truth is 0 where it is not scored, which is hatched.
    """
    known = sample.truth > 0
    shown = np.concatenate([sample.truth[known], sample.prediction.ravel()])
    low, high = float(shown.min()), float(shown.max())
    font = ImageFont.load_default(size=13)
    scale = min(PANEL_MAX / max(sample.truth.shape), max(1.0, PANEL_MIN * 2 / max(sample.truth.shape)))
    height, width = (max(1, round(side * scale)) for side in sample.truth.shape)
    room = max(width, PANEL_MIN)
    inside = len(TITLES) * (room + MARGIN) - MARGIN
    note = lines_within(_note(sample, known), inside, font)
    top = 2 * MARGIN + LINE + height
    sheet = Image.new("RGB", (inside + 2 * MARGIN, top + BAR + TICK + (1 + len(note)) * LINE + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    panels = (
        Image.fromarray(sample.picture).resize((width, height), Image.Resampling.BILINEAR),
        _coloured(np.where(known, sample.truth, np.nan), low, high, width, height),
        _coloured(sample.prediction, low, high, width, height),
    )
    for number, (panel, title) in enumerate(zip(panels, TITLES, strict=True)):
        left = MARGIN + number * (room + MARGIN)
        pen.text((left, MARGIN // 2), title, INK, font)
        sheet.paste(panel, (left, MARGIN + LINE))
    _draw_scale(sheet, pen, font, (MARGIN, top, inside), low, high)
    for number, line in enumerate(note):
        pen.text((MARGIN, top + BAR + TICK + (1 + number) * LINE), line, INK, font)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _note(sample: DrawnPicture, known: np.ndarray) -> str:
    if not known.any():
        return "Hatched: not scored. No pixel of this picture is scored."
    error = root_mean_square(sample.prediction[known].astype(np.float64), sample.truth[known].astype(np.float64))
    return f"Depth in metres, one scale for both. Hatched: not scored. RMSE of this picture: {error:.3f} m."


def _coloured(metres: np.ndarray, low: float, high: float, width: int, height: int) -> Image.Image:
    """Return a map in the colours of the scale; pixels that are no number are white and hatched."""
    small = resized_map(metres, width, height)
    missing = np.isnan(small)
    shades = _shades(np.where(missing, low, small), low, high)
    shades[missing] = PAPER
    shades[missing & (np.add.outer(np.arange(height), np.arange(width)) % HATCH == 0)] = INK
    return Image.fromarray(shades)


def _shades(metres: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the colour of each depth, uint8, shape (…, 3); near is bright."""
    from matplotlib import colormaps

    share = (high - metres) / (high - low) if high > low else np.full(metres.shape, 0.5)
    found: np.ndarray = colormaps[COLOURS](share, bytes=True)[..., :3]
    return found.copy()


def _draw_scale(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    place: tuple[int, int, int],
    low: float,
    high: float,
) -> None:
    """Draw the bar of colours with its numbers; ``place`` is its left, its top and its width."""
    left, top, width = place
    bar = np.broadcast_to(_shades(np.linspace(low, high, width), low, high), (BAR, width, 3))
    sheet.paste(Image.fromarray(np.ascontiguousarray(bar)), (left, top))
    for number in range(TICKS):
        share = number / (TICKS - 1)
        x, text = left + share * (width - 1), f"{low + share * (high - low):.2f} m"
        pen.line((x, top + BAR, x, top + BAR + TICK), INK)
        pen.text((x - share * font.getlength(text), top + BAR + TICK), text, INK, font)

"""The typographic attack: a word written on a picture (Goh et al. 2021, Multimodal Neurons)."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_WIDTH = (0.2, 0.35, 0.5, 0.7, 0.9)  # largest share of the short side
_HEIGHT = 0.4  # the same of the height, for short words
_SMALLEST, _LARGEST = 6, 400  # sizes of the font in pixels


def written(image: Image.Image, word: str, severity: int, random: np.random.RandomState) -> Image.Image:
    """Return a copy of an image with a word at a random place of its central square, white with a black edge.

    Models cut pictures to this square.

    Args:
        image: RGB.
        word: the word, of which unprintable characters are left out; written on one line.
        severity: 1 to 5; the width of the word.
        random: random numbers for its place.
    """
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in word).split())
    side = min(image.size)
    font, edge = _fitting(text, side * _WIDTH[severity - 1], side * _HEIGHT)
    left, top, right, bottom = font.getbbox(text, stroke_width=edge)
    free = np.maximum(side - np.array([right - left, bottom - top]), 0)
    x, y = ((np.array(image.size) - side) // 2 + random.uniform(0, 1, 2) * free).round()
    copy = image.copy()
    ImageDraw.Draw(copy).text((x - left, y - top), text, "white", font, stroke_width=edge, stroke_fill="black")
    return copy


def _fitting(text: str, width: float, height: float) -> tuple[ImageFont.FreeTypeFont, int]:
    """Return the largest size of Pillow's own font in which a text fits, and the width of its edge."""
    low, high = _SMALLEST, _LARGEST
    while low < high:
        middle = (low + high + 1) // 2
        left, top, right, bottom = _font(middle).getbbox(text, stroke_width=_edge(middle))
        fits = right - left <= width and bottom - top <= height
        low, high = (middle, high) if fits else (low, middle - 1)
    return _font(low), _edge(low)


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow with FreeType, as in all of its wheels
    return font


def _edge(size: int) -> int:
    return max(1, size // 14)

"""Backgrounds: muted colours that contrast with all object colours, in four textures."""

from __future__ import annotations

import functools

from PIL import Image, ImageDraw

from goldieval.data.shapes.dice import dice
from goldieval.data.shapes.world import Background

RGB = tuple[int, int, int]
OVERSAMPLING = 4  # images are drawn larger by this factor and then averaged

BACKGROUND_RGB: dict[str, RGB] = {
    "grey": (136, 136, 136),
    "beige": (174, 158, 122),
    "pink": (180, 132, 146),
    "mint": (124, 168, 146),
    "lavender": (148, 138, 180),
    "brown": (128, 102, 82),
}


def shade(colour: RGB, strength: float) -> RGB:
    red, green, blue = (round(part * strength) for part in colour)
    return red, green, blue


@functools.lru_cache(maxsize=128)
def empty_picture(background: Background, resolution: int) -> Image.Image:
    """Return the empty image; it is shared among scenes and must be copied before drawing on it."""
    side = resolution * OVERSAMPLING
    colour = BACKGROUND_RGB[background.colour]
    picture = Image.new("RGB", (side, side), colour)
    _TEXTURES[background.texture](picture, colour)
    return picture.reduce(OVERSAMPLING)


def _plain(picture: Image.Image, colour: RGB) -> None:
    """Leave the image unchanged."""


def _gradient(picture: Image.Image, colour: RGB) -> None:
    brush = ImageDraw.Draw(picture)
    for y in range(picture.height):
        brush.line((0, y, picture.width, y), fill=shade(colour, 1.15 - 0.35 * y / picture.height))


def _speckled(picture: Image.Image, colour: RGB) -> None:
    brush, rng, side = ImageDraw.Draw(picture), dice("speckles"), picture.width
    for number in range(260):
        x, y, radius = rng.random() * side, rng.random() * side, (0.004 + 0.006 * rng.random()) * side
        brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=shade(colour, (0.82, 1.14)[number % 2]))


def _striped(picture: Image.Image, colour: RGB) -> None:
    brush, side = ImageDraw.Draw(picture), picture.width
    for stripe in range(0, 24, 2):
        left = stripe * side / 24
        brush.rectangle((left, 0, left + side / 24, side), fill=shade(colour, 0.88))


_TEXTURES = {"plain": _plain, "gradient": _gradient, "speckled": _speckled, "striped": _striped}

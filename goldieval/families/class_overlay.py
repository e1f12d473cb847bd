"""A picture under the colours of its classes, with contours, class numbers, and hatching where there is no label."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from goldieval.data.masks import IGNORED
from goldieval.families.sheet_colours import OTHERS, Colour

DETAIL = 0.35  # share of the picture's contrast that is added to the colours, which keeps their mean
INK, PAPER = (20, 20, 20), (255, 255, 255)
HATCH = 6  # distance in pixels between the strokes on pixels without a label
NUMBER_SIZE, NUMBER_ROOM = 12, 11  # of a class number, and free pixels to every side of it, so that it fits its area


def overlay(
    picture: Image.Image, classes: np.ndarray, ignored: np.ndarray, colours: Mapping[int, Colour], numbers: bool = True
) -> Image.Image:
    """Return the picture under the colours of a map of the same size.

    Args:
        picture: the picture.
        classes: class of every pixel, ``IGNORED`` where there is none, shape (height, width).
        ignored: pixels that are not counted, shape (height, width); they are white and hatched.
        colours: colour of each class.
        numbers: whether class numbers are written into large areas.
    """
    grey = np.asarray(picture.convert("L"), dtype=np.float32)
    shade = DETAIL * (grey - grey.mean())
    shown = np.where(ignored, IGNORED, classes)
    mixed = np.clip(_filled(shown, colours) + shade[..., None], 0, 255)
    mixed[shown == IGNORED] = PAPER
    stroke = np.add.outer(np.arange(classes.shape[0]), np.arange(classes.shape[1])) % HATCH == 0
    mixed[(shown == IGNORED) & stroke] = INK
    mixed[contours(shown)] = INK
    image = Image.fromarray(mixed.astype(np.uint8))
    if numbers:
        _write_numbers(image, shown)
    return image


def contours(classes: np.ndarray) -> np.ndarray:
    """Return the pixels above or left of a pixel of another class, shape (height, width)."""
    edge = np.zeros(classes.shape, dtype=bool)
    edge[:-1] |= classes[:-1] != classes[1:]
    edge[:, :-1] |= classes[:, :-1] != classes[:, 1:]
    return edge


def _filled(classes: np.ndarray, colours: Mapping[int, Colour]) -> np.ndarray:
    """Return the colour of every pixel as float32, shape (height, width, 3)."""
    table = np.array([colours.get(number, OTHERS) for number in range(max(int(classes.max()), 0) + 1)])
    filled: np.ndarray = table[np.maximum(classes, 0)].astype(np.float32)
    return filled


def _write_numbers(image: Image.Image, classes: np.ndarray) -> None:
    """Write the number of each class into the widest part of its area, if it has room for it."""
    from scipy.ndimage import distance_transform_cdt

    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=NUMBER_SIZE)
    for number in np.unique(classes[classes != IGNORED]).tolist():
        room = distance_transform_cdt(np.pad(classes == number, 1))[1:-1, 1:-1]
        top, left = np.unravel_index(int(room.argmax()), room.shape)
        if room[top, left] > NUMBER_ROOM:
            place = (int(left), int(top))
            pen.text(place, str(number), INK, font, anchor="mm", stroke_width=2, stroke_fill=PAPER)

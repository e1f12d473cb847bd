"""Images, boxes and masks of scenes, all from the same outlines. Images are identical for one version of Pillow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from goldieval.data.shapes.backgrounds import OVERSAMPLING, RGB, empty_picture, shade
from goldieval.data.shapes.contours import Points, contour
from goldieval.data.shapes.world import RADIUS, SHAPES, Obj, Scene

DRAWING_VERSION = 1  # increase with every change of a pixel: cached embeddings are keyed by it
SMALLEST_RESOLUTION = 16

COLOUR_RGB: dict[str, RGB] = {
    "red": (215, 30, 35),
    "green": (20, 140, 50),
    "blue": (35, 80, 225),
    "yellow": (250, 225, 40),
    "purple": (125, 35, 150),
    "orange": (250, 135, 15),
    "white": (255, 255, 255),
    "black": (15, 15, 15),
}

# Fractions of an object's radius.
RIM = 0.07
STROKE = 0.27
NARROW_STROKE = {"star": 0.21, "heart": 0.23, "moon": 0.20}  # a wider stroke would leave no hole in these
STRIPE_PERIOD, STRIPE_GAP = 0.52, 0.20

RIM_STRENGTH = 0.55  # brightness of the rim as a fraction of the object's own


@dataclass(frozen=True)
class _Canvas:
    """Pixels around one object, and the mapping from the object's units to the oversampled grid."""

    box: tuple[int, int, int, int]  # in pixels of the image: left, top, right, bottom (exclusive)
    x: float
    y: float
    radius: float

    def blank(self) -> Image.Image:
        left, top, right, bottom = self.box
        return Image.new("L", ((right - left) * OVERSAMPLING, (bottom - top) * OVERSAMPLING))

    def pixels(self, points: Points) -> list[tuple[int, int]]:
        return [(round(self.x + self.radius * x), round(self.y + self.radius * y)) for x, y in points]


def draw(scene: Scene, resolution: int) -> Image.Image:
    """Return the RGB image, ``resolution`` pixels wide and high.

    Raises:
        ValueError: The resolution is below 16.
    """
    _check(resolution)
    picture = empty_picture(scene.background, resolution).copy()
    for obj in scene.objects:
        canvas = _canvas(obj, resolution)
        edge, body = _coverage(obj, canvas)
        colour = COLOUR_RGB[obj.colour]
        picture.paste(shade(colour, RIM_STRENGTH), canvas.box, edge.reduce(OVERSAMPLING))
        picture.paste(colour, canvas.box, body.reduce(OVERSAMPLING))
    return picture


def opacity(scene: Scene, resolution: int) -> np.ndarray:
    """Return uint8, shape (resolution, resolution): how much of a pixel the objects cover, from 0 to 255.

    ``draw`` covers the background by the same masks. The same scene on another background is therefore its image plus
    what the backgrounds differ by, times ``1 - opacity / 255``: rounding at both edges of an object makes the values of
    a pixel differ by less than 2.

    Raises:
        ValueError: The resolution is below 16.
    """
    _check(resolution)
    covered = Image.new("L", (resolution, resolution))
    for obj in scene.objects:
        canvas = _canvas(obj, resolution)
        for mask in _coverage(obj, canvas):
            covered.paste(255, canvas.box, mask.reduce(OVERSAMPLING))
    return np.array(covered)


def instance_mask(scene: Scene, resolution: int) -> np.ndarray:
    """Return uint8, shape (resolution, resolution): 0 is background, ``i + 1`` is ``scene.objects[i]``.

    The interior of an outlined object belongs to it. A pixel belongs to an object if at least half of it is covered.

    Raises:
        ValueError: The resolution is below 16.
    """
    _check(resolution)
    mask = Image.fromarray(np.zeros((resolution, resolution), dtype=np.uint8))
    for number, obj in enumerate(scene.objects, start=1):
        canvas = _canvas(obj, resolution)
        silhouette = _filled(canvas, contour(obj.shape)).reduce(OVERSAMPLING)
        mask.paste(number, canvas.box, silhouette.point([0] * 128 + [255] * 128))
    return np.array(mask)


def semantic_mask(scene: Scene, resolution: int) -> np.ndarray:
    """Return uint8, shape (resolution, resolution): 0 is background, else the index in ``SHAPES`` plus 1."""
    values = np.array([0, *(SHAPES.index(obj.shape) + 1 for obj in scene.objects)], dtype=np.uint8)
    return np.asarray(values[instance_mask(scene, resolution)])


def boxes(scene: Scene, resolution: int) -> np.ndarray:
    """Return int64, shape (objects, 4): left, top, right, bottom in pixels, right and bottom exclusive."""
    mask = instance_mask(scene, resolution)
    return np.array([_extent(mask == number) for number in range(1, len(scene.objects) + 1)], dtype=np.int64)


def _check(resolution: int) -> None:
    if resolution < SMALLEST_RESOLUTION:
        raise ValueError(f"an image of {resolution} px is too small; use {SMALLEST_RESOLUTION} px or more")


def _extent(inside: np.ndarray) -> tuple[int, int, int, int]:
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _canvas(obj: Obj, resolution: int) -> _Canvas:
    x = (obj.column / 3 + 1 / 6 + obj.dx / 1000) * resolution
    y = (obj.row / 3 + 1 / 6 + obj.dy / 1000) * resolution
    radius = RADIUS[obj.size] / 1000 * resolution
    left, top = math.floor(x - radius), math.floor(y - radius)
    box = (left, top, math.ceil(x + radius) + 1, math.ceil(y + radius) + 1)
    # Pillow fills polygons from pixel centre to pixel centre, hence the half pixel.
    return _Canvas(box, (x - left) * OVERSAMPLING - 0.5, (y - top) * OVERSAMPLING - 0.5, radius * OVERSAMPLING)


def _coverage(obj: Obj, canvas: _Canvas) -> tuple[Image.Image, Image.Image]:
    """Return two oversampled masks: the dark edge (which may extend below the body) and the coloured body."""
    edge, body = _filled(canvas, contour(obj.shape)), _filled(canvas, contour(obj.shape, RIM))
    if obj.fill == "outlined":
        hole = canvas.pixels(contour(obj.shape, NARROW_STROKE.get(obj.shape, STROKE)))
        ImageDraw.Draw(edge).polygon(hole, fill=0)
        ImageDraw.Draw(body).polygon(hole, fill=0)
    elif obj.fill == "striped":
        ImageDraw.Draw(edge).polygon(canvas.pixels(contour(obj.shape, RIM)), fill=0)
        _cut_stripes(body, canvas)
    return edge, body


def _filled(canvas: _Canvas, points: Points) -> Image.Image:
    mask = canvas.blank()
    ImageDraw.Draw(mask).polygon(canvas.pixels(points), fill=255)
    return mask


def _cut_stripes(mask: Image.Image, canvas: _Canvas) -> None:
    brush = ImageDraw.Draw(mask)
    thickness = STRIPE_GAP * canvas.radius
    for stripe in range(-2, 3):
        top = canvas.y + stripe * STRIPE_PERIOD * canvas.radius - thickness / 2
        brush.rectangle((0, round(top), mask.width, round(top + thickness)), fill=0)

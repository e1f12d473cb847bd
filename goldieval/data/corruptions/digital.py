"""What cameras and files do: brightness, contrast, elastic distortion, large pixels, compression."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy import ndimage

_BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)  # added to the value of HSV
_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)  # factor of the difference to the mean colour
_ELASTIC = (  # height and smoothness of the waves, largest move of the corners, in sides of 244 pixels as released
    (2, 0.7, 0.1),
    (2, 0.08, 0.2),
    (0.05, 0.01, 0.02),
    (0.07, 0.01, 0.02),
    (0.12, 0.01, 0.02),
)
_ELASTIC_SIDE = 244
_PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)  # factor of the side
_JPEG = (25, 18, 15, 10, 7)  # quality


def brightness(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Raise the value of hue, saturation and value; black becomes grey."""
    value = picture.max(axis=2, keepdims=True)
    raised = np.minimum(value + _BRIGHTNESS[severity - 1], 1)
    return np.where(value > 0, picture * raised / np.maximum(value, 1e-12), raised)


def contrast(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Move every value towards the mean colour."""
    mean = picture.mean(axis=(0, 1), keepdims=True)
    moved: np.ndarray = (picture - mean) * _CONTRAST[severity - 1] + mean
    return moved


def elastic_transform(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Shear and stretch the picture, and displace its pixels by random waves."""
    height, smoothness, most = (_ELASTIC_SIDE * share for share in _ELASTIC[severity - 1])
    shape = picture.shape[:2]
    matrix, offset = _affine(shape, most, random)
    waves = [
        height * ndimage.gaussian_filter(random.uniform(-1, 1, shape), smoothness, mode="reflect", truncate=3)
        for _ in range(2)
    ]
    places = np.indices(shape) + np.stack(waves)
    places = np.tensordot(matrix, places, axes=1) + offset[:, None, None]
    channels = [
        ndimage.map_coordinates(channel, places, order=1, mode="reflect") for channel in np.moveaxis(picture, -1, 0)
    ]
    return np.stack(channels, axis=-1)


def _affine(shape: tuple[int, ...], most: float, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Return matrix and offset of the map that takes three moved corners of a square back to their places."""
    centre, half = np.array(shape) // 2, max(min(shape) // 3, 1)
    corners = centre + half * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = corners + random.uniform(-most, most, (3, 2))
    solved = np.linalg.lstsq(np.column_stack([moved, np.ones(3)]), corners.astype(float), rcond=None)[0]
    return solved[:2].T, solved[2]


def pixelate(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Average over large pixels."""
    image, factor = to_image(picture), _PIXELATE[severity - 1]
    small = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return to_array(image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BOX))


def jpeg_compression(picture: np.ndarray, severity: int, random: np.random.RandomState) -> np.ndarray:
    """Compress as a JPEG."""
    stream = io.BytesIO()
    to_image(picture).save(stream, "JPEG", quality=_JPEG[severity - 1])
    with Image.open(stream) as image:
        return to_array(image)


def to_image(picture: np.ndarray) -> Image.Image:
    """Return a picture of values in 0..1, or beyond, as an image of 8 bits."""
    return Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8))


def to_array(image: Image.Image) -> np.ndarray:
    """Return an RGB image as values in 0..1, float64, (height, width, 3)."""
    return np.asarray(image, dtype=float) / 255

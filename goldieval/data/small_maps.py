"""Maps of classes as small PNGs, for outcomes and pages: class numbers as grey values, reduced by nearest neighbour."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from goldieval.core.errors import GoldievalError

SIDE = 256  # longer side in pixels
BYTES = 1 << 20  # of an encoded map; one of this size is a few kB
MODES = {"L": np.uint8, "I;16": np.uint16}


def resized_map(classes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return a map resized by nearest neighbour, so that classes are not mixed."""
    rows = np.minimum(np.arange(height) * classes.shape[0] // height, classes.shape[0] - 1)
    columns = np.minimum(np.arange(width) * classes.shape[1] // width, classes.shape[1] - 1)
    nearest: np.ndarray = classes[rows[:, None], columns[None]]
    return nearest


def encode_map(classes: np.ndarray) -> bytes:
    """Return a map as a PNG with a longer side of at most ``SIDE`` pixels.

    Args:
        classes: class of every pixel, not negative and below 65,536, shape (height, width).
    """
    scale = min(1.0, SIDE / max(classes.shape))
    height, width = (max(1, round(side * scale)) for side in classes.shape)
    small = resized_map(classes, width, height)
    kind = np.uint8 if int(small.max()) < 256 else np.uint16
    stream = io.BytesIO()
    Image.fromarray(small.astype(kind)).save(stream, "PNG")
    return stream.getvalue()


def decode_map(data: bytes, classes: int) -> np.ndarray:
    """Return the classes of an encoded map, int64, shape (height, width).

    Args:
        data: the PNG, of unknown origin.
        classes: number of classes.

    Raises:
        GoldievalError: it is not such a map.
    """
    try:
        if len(data) > BYTES:
            raise ValueError(f"{len(data):,} bytes")
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if max(image.size) > SIDE or image.mode not in MODES:
                raise ValueError(f"{image.size[0]} x {image.size[1]} pixels of mode {image.mode}")
            found = np.asarray(image).astype(np.int64)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise GoldievalError(f"not a map of classes: {error}") from error
    if int(found.max()) >= classes:
        raise GoldievalError(f"not a map of {classes:,} classes: it has a class {int(found.max()):,}")
    return found

"""COCO's outlines and run-length encodings as masks, validated before they are passed to C code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Size = tuple[int, int]  # height, width


def filled(outline: Any, size: Size) -> np.ndarray:
    """Return the area of an annotation, bool, of shape ``size``.

    Args:
        outline: Polygons as lists of x, y, x, y …, or run lengths as ``{"size": …, "counts": list or text}``.
        size: Height and width of the image.

    Raises:
        ValueError: The outline is invalid; the message says why.
    """
    if isinstance(outline, dict):
        return _runs(outline, size)
    if not isinstance(outline, list) or not outline:
        raise ValueError("it has no outline")
    for polygon in outline:
        _check_polygon(polygon, size)
    from pycocotools import mask

    drawn: np.ndarray = mask.decode(mask.merge(mask.frPyObjects(outline, *size))).astype(bool)
    return drawn


def _check_polygon(polygon: Any, size: Size) -> None:
    """Validate a polygon: two points would be drawn as a box, and distant coordinates would exhaust memory."""
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise ValueError("a polygon is not a list of three or more points")
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in polygon):
        raise ValueError("a polygon holds something that is not a number")
    if max(map(abs, polygon)) > 10 * max(size):
        raise ValueError(f"a polygon extends to {max(map(abs, polygon)):,.0f}, outside an image of {_shown(size)}")


def _runs(outline: dict[str, Any], size: Size) -> np.ndarray:
    declared, counts = outline.get("size"), outline.get("counts")
    if declared != list(size):
        raise ValueError(f"run lengths for {declared}, but the image is {list(size)} (height, width)")
    if isinstance(counts, str):
        counts = _unpacked(counts)
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("its run lengths are neither a list of numbers nor an encoded text")
    if sum(counts) != size[0] * size[1]:
        raise ValueError(f"its run lengths cover {sum(counts):,} pixels, but the image has {size[0] * size[1]:,}")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(size, order="F")


def _unpacked(text: str) -> list[int]:
    """Decode COCO's compressed run lengths: 5 bits per character, a continuation bit, then differences."""
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"its run lengths contain the invalid character {letter!r}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            if shift > 60:
                raise ValueError("its run lengths contain an unterminated number")
            continue
        value -= (1 << shift) if bits & 16 else 0
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("its run lengths end within a number")
    return counts


def _shown(size: Size) -> str:
    return f"{size[1]:,} x {size[0]:,} pixels"

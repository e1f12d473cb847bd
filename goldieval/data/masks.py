"""Masks: a class for every pixel, from 8-bit PNGs or COCO annotations, never resized."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.limits import PICTURE_BYTES
from goldieval.core.reading import read_bytes
from goldieval.data.places import Place

if TYPE_CHECKING:
    from PIL import Image

IGNORED = -1  # a pixel without a label, excluded from all counts
OUTSIDE = -2
VALUES = 256  # of an 8-bit mask
ONE_CHANNEL = ("L", "P", "1")
LOSSY = ("JPEG", "MPO")  # lossy formats with one channel; others are always in colour
GREY_SCALES = {"L;2": 85, "L;4": 17}


class MaskSource(Protocol):
    """Source of one mask: small in memory, read on demand, thread-safe."""

    def key(self) -> str:
        """Return a key of the content and of the mapping from values to classes. Raises OSError if unreadable."""

    def place(self) -> Place | None:
        """Return the file whose content determines the key; None if the key is known without reading one."""

    def read(self) -> np.ndarray:
        """Return class indices int16, (height, width), ``IGNORED`` where there is no label. Raises TaskError."""


@dataclass(frozen=True)
class Labels:
    """Mapping from raw values to classes.

    Attributes:
        table: For each raw value its class, ``IGNORED`` or ``OUTSIDE``.
    """

    table: tuple[int, ...]

    def classes(self, raw: np.ndarray, where: str) -> np.ndarray:
        """Return class indices of raw values of any shape. Raises TaskError for a value without a meaning."""
        found: np.ndarray = np.asarray(self.table, dtype=np.int16)[raw]
        if (found == OUTSIDE).any():
            invalid = np.unique(raw[found == OUTSIDE]).tolist()
            raise TaskError(
                f"{where}: values {listing(map(str, invalid))} are neither classes nor ignored: "
                "see source.values, source.classes and source.ignore."
            )
        return found

    @property
    def identity(self) -> str:
        return hashlib.sha256(repr(self.table).encode()).hexdigest()


def label_table(
    values: Sequence[int], ignore: Sequence[int], zero_is_no_label: bool = False, rest: int = OUTSIDE
) -> Labels:
    """Return the mapping of raw ``values`` in class order; if there are none, a raw value is its class.

    Args:
        values: Raw values in class order.
        ignore: Raw values without a label.
        zero_is_no_label: Whether value 0 is ignored and the others count from 1 (mmsegmentation's
            ``reduce_zero_label``).
        rest: Meaning of all other values; class 0 shifts the listed classes up by 1.

    >>> label_table([7, 9], [255]).table[6:10], label_table([], [255], zero_is_no_label=True).table[:3]
    ((-2, 0, -2, 1), (-1, 0, 1))
    """
    first = 1 if rest == 0 else 0
    size = max([VALUES, *(value + 1 for value in values)])
    table = [rest] * size if values else [value - zero_is_no_label for value in range(VALUES)]
    for number, value in enumerate(values):
        table[value] = number + first
    for value in ignore:
        table[value] = IGNORED
    return Labels(tuple(table))


@dataclass(frozen=True)
class FileMask:
    """An 8-bit PNG, greyscale or palette, whose values are the labels."""

    file: Path
    labels: Labels

    def key(self) -> str:
        return hashlib.sha256(read_bytes(self.file, PICTURE_BYTES) + self.labels.identity.encode()).hexdigest()

    def place(self) -> Place:
        return Place(self.file, self.labels.identity)

    def read(self) -> np.ndarray:
        return self.labels.classes(read_values(self.file), str(self.file))


def read_values(file: Path) -> np.ndarray:
    """Return the raw values of a mask, uint8. Raises TaskError for colours, 16 bits, or a file that is not an image."""
    from goldieval.data.decode import open_image

    try:
        with open_image(read_bytes(file, PICTURE_BYTES)) as picture:
            mode, kind, scale = picture.mode, picture.format, _scale(picture)
            values = np.asarray(picture)
    except OSError as error:
        raise TaskError(f"mask {file} cannot be read: {error.strerror or error}") from None
    if kind in LOSSY:
        raise TaskError(
            f"mask {file} is a {kind}, a lossy format that changes the labels at edges. "
            "Save masks as PNG from their source; converting the JPEG does not restore them."
        )
    if mode.startswith("I") or mode == "F":
        raise TaskError(f"mask {file} has 16 or more bits per pixel; labels have 8. Save it as an 8-bit PNG.")
    if mode not in ONE_CHANNEL:
        raise TaskError(
            f"mask {file} is a {mode} image of colours, not of labels: a palette PNG was saved as {mode}. "
            "Use the original with its palette, or save the class numbers as greyscale."
        )
    return values.astype(np.uint8) // scale


def _scale(picture: Image.Image) -> int:
    """Return the factor by which Pillow multiplies grey values of 2 or 4 bits so that they use 8 bits."""
    tiles = getattr(picture, "tile", ())
    packed = tiles[0].args if tiles else ""
    return GREY_SCALES.get(packed[0] if isinstance(packed, tuple) else str(packed), 1)

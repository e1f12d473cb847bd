"""Masks: a class for every pixel, from 8-bit PNGs or COCO annotations, never resized."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.limits import PICTURE_BYTES
from goldieval.core.meter import tracked
from goldieval.core.reading import read_bytes
from goldieval.data.image_source import EncodedImage
from goldieval.data.samples import ImageSample

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


@dataclass(frozen=True)
class MaskSummary:
    """Summary of all masks.

    Attributes:
        keys: Content key of each mask.
        pixels: Number of labelled pixels of each class, shape (classes,).
        ignored: Number of pixels without a label.
    """

    keys: list[str]
    pixels: np.ndarray
    ignored: int


def check_masks(images: Sequence[ImageSample], masks: Sequence[MaskSource], classes: int, workers: int) -> MaskSummary:
    """Read every mask once, before any model is run.

    Raises:
        TaskError: Masks cannot be read, have labels outside the classes, or differ in size from their image; or all
            labelled pixels belong to one class, so that a constant prediction would be correct.
    """

    def check(pair: tuple[ImageSample, MaskSource]) -> tuple[str, str, np.ndarray]:
        image, mask = pair
        try:
            key, read = mask.key(), mask.read()
        except OSError as error:
            raise TaskError(f"the mask of {image.id} cannot be read: {error}") from None
        fault = _fault(image, read, classes)
        return key, fault, np.bincount((read[read < classes] + 1).ravel(), minlength=classes + 1)

    with ThreadPoolExecutor(workers) as pool:
        checked = list(tracked(pool.map(check, zip(images, masks, strict=True)), "reading masks", len(masks)))
    faults = [fault for _, fault, _ in checked if fault]
    if faults:
        raise TaskError(f"{len(faults):,} of {len(masks):,} masks do not fit: {listing(faults)}.")
    counts = np.sum([counted for _, _, counted in checked], axis=0)
    found = MaskSummary([key for key, _, _ in checked], counts[1:], int(counts[0]))
    _refuse_one_class(found, masks)
    return found


def without_pixels(pixels: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return a line about the classes without any pixel, or nothing if there are none."""
    absent = [name for name, count in zip(names, pixels, strict=True) if not count]
    return [f"{len(absent):,} of {len(names):,} classes have no pixel in any mask: {listing(absent)}"] if absent else []


def _refuse_one_class(found: MaskSummary, masks: Sequence[MaskSource]) -> None:
    """Raise TaskError if a constant prediction would be correct everywhere, so that chance level is 100 %."""
    (present,) = np.nonzero(found.pixels)
    if len(present) > 1:
        return
    if not len(present):
        raise TaskError(f"no pixel has a label: all are ignored{_hint(masks)}.")
    raise TaskError(
        f"every labelled pixel is of class {present[0]}, so chance is 100 % and the task measures nothing"
        f"{f' ({found.ignored:,} pixels are ignored)' if found.ignored else ''}{_hint(masks)}."
    )


def _hint(masks: Sequence[MaskSource]) -> str:
    """Describe the values in the first mask files: 0 and 255 are often intended as two classes."""
    files = [mask for mask in masks if isinstance(mask, FileMask)][:8]
    if not files:
        return ""
    seen = sorted({int(value) for mask in files for value in np.unique(read_values(mask.file))})
    ignored = [str(value) for value in seen if files[0].labels.table[value] == IGNORED]
    words = f"; the masks hold the values {listing(map(str, seen), 8)}"
    if ignored:
        words += (
            f", of which source.ignore excludes {listing(ignored)}. If those are classes, list all in source.values"
        )
    return f"{words}, as `values: {seen[:8]}`" if ignored and len(seen) <= 8 else words


def _fault(image: ImageSample, mask: np.ndarray, classes: int) -> str:
    outside = np.unique(mask[mask >= classes]).tolist()
    if outside:
        return f"{image.id} has labels {listing(map(str, outside))} outside the classes 0..{classes - 1}"
    size = image.source.dimensions() if isinstance(image.source, EncodedImage) else None
    if size is not None and size != mask.shape[::-1]:
        return f"{image.id} is {size[0]} x {size[1]} pixels, its mask {mask.shape[1]} x {mask.shape[0]}"
    return ""

"""Depth maps: metres of every pixel of a picture, from 16-bit PNGs or NumPy arrays, never resized."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.limits import PICTURE_BYTES
from goldieval.core.reading import read_bytes
from goldieval.data.numbers import array_in
from goldieval.data.places import Place

LARGEST = 65_535  # of a 16-bit PNG
WORDS = ("nan", "inf", "negative")
Unknown = float | Literal["nan", "inf", "negative"]


class DepthSource(Protocol):
    """The depth map of one picture."""

    def key(self) -> str:
        """Return a SHA-256 of everything that determines the depths."""

    def place(self) -> Place | None:
        """Return the file that holds it; None if it is computed."""

    def read(self) -> np.ndarray:
        """Return metres, float32, shape (height, width); 0 where the depth is unknown.

        Raises:
            TaskError: the file cannot be read or holds something else.
        """


@dataclass(frozen=True)
class DepthScale:
    """What the values of depth files mean.

    Attributes:
        metres_per_unit: metres that a value of 1 stands for.
        unknown: values of pixels without a known depth; ``nan``, ``inf`` and ``negative`` stand for all such values.
    """

    metres_per_unit: float
    unknown: tuple[Unknown, ...] = (0.0,)

    @property
    def identity(self) -> str:
        return hashlib.sha256(repr((self.metres_per_unit, self.unknown)).encode()).hexdigest()

    def metres(self, values: np.ndarray, where: str) -> np.ndarray:
        """Return metres, float32, 0 where unknown, of values of any shape.

        Raises:
            TaskError: a value is no depth.
        """
        raw = values.astype(np.float64)
        kinds = {"nan": np.isnan(raw), "inf": np.isinf(raw), "negative": raw < 0}
        known = ~np.isin(raw, [each for each in self.unknown if not isinstance(each, str)])
        for word in self.unknown:
            if isinstance(word, str):
                known &= ~kinds[word]
        wrong = [f"{int((kinds[word] & known).sum()):,} {word}" for word in WORDS if (kinds[word] & known).any()]
        if wrong:
            raise TaskError(
                f"{where} holds values that are no depth: {listing(wrong)}. If those are pixels of unknown depth, list "
                "the words in source.unknown."
            )
        if (values.dtype.kind, values.dtype.itemsize) == ("u", 2) and (known & (raw == LARGEST)).any():
            raise TaskError(
                f"{where} holds {LARGEST:,}, the largest value of 16 bits, so depths were cut off there, or it marks "
                f"unknown depth: then list {LARGEST} in source.unknown."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            metres = np.where(known, raw * self.metres_per_unit, 0.0).astype(np.float32)
        if not np.isfinite(metres).all():
            raise TaskError(f"{where} holds depths too large for a number: see source.metres_per_unit.")
        return metres


@dataclass(frozen=True)
class FileDepth:
    """A depth map in a file: a 16-bit greyscale PNG, or a two-dimensional array of numbers (.npy)."""

    file: Path
    scale: DepthScale

    def key(self) -> str:
        return hashlib.sha256(read_bytes(self.file, PICTURE_BYTES) + self.scale.identity.encode()).hexdigest()

    def place(self) -> Place:
        return Place(self.file, self.scale.identity)

    def read(self) -> np.ndarray:
        return self.scale.metres(read_depth_values(self.file), f"depth map {self.file}")


def read_depth_values(file: Path) -> np.ndarray:
    """Return the stored values of a depth map, numbers of shape (height, width).

    Raises:
        TaskError: the file cannot be read, is too large, or is of another kind.
    """
    read = _READERS.get(file.suffix.lower())
    if read is None:
        raise TaskError(f"depth map {file} is neither .png nor .npy. {_HOW_TO_CONVERT}")
    try:
        data = read_bytes(file, PICTURE_BYTES)
    except OSError as error:
        raise TaskError(f"depth map {file} cannot be read: {error.strerror or error}") from None
    return read(data, f"depth map {file}")


def _png_values(data: bytes, where: str) -> np.ndarray:
    from goldieval.data.decode import open_image

    try:
        with open_image(data) as picture:
            mode, kind = picture.mode, picture.format
            values = np.asarray(picture)
    except OSError as error:
        raise TaskError(f"{where} cannot be read: {error.strerror or error}") from None
    if kind != "PNG":
        raise TaskError(f"{where} is a {kind} in spite of its name. Depth maps are 16-bit PNGs or .npy files.")
    if mode not in ("I;16", "I"):  # Pillow before 11.3 reads 16-bit PNGs as I
        raise TaskError(
            f"{where} is a PNG of mode {mode}, not of 16-bit greyscale: a picture of depth, not the measured values. "
            "Use the original."
        )
    return values.astype(np.uint16)


def _npy_values(data: bytes, where: str) -> np.ndarray:
    from goldieval.data.decode import most_pixels

    values = array_in(where, data, most_pixels())
    if values.ndim != 2:
        raise TaskError(f"{where} has the shape {values.shape}, but a depth map has height and width only.")
    return values


_READERS: dict[str, Callable[[bytes, str], np.ndarray]] = {".png": _png_values, ".npy": _npy_values}
_HOW_TO_CONVERT = (
    "Save one map per picture as 16-bit PNG or .npy; the .mat file of NYUv2 is HDF5, which h5py reads (array `depths`)."
)

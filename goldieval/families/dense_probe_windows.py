"""Pictures of a dense probe, and the windows that a tower and a head see of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import ImageSample
from goldieval.data.small_maps import resized_map
from goldieval.families.dense_probe_target import Target
from goldieval.families.mmseg_parts import resized
from goldieval.models.adapter import Dense
from goldieval.scoring.windows import corners
from goldieval.tasks.dense_probe_params import DenseProbeParams


@dataclass(frozen=True)
class Window:
    """One window of a training picture.

    Attributes:
        row: index of the picture in the dataset.
        number: index of the window among those of the picture, in the order of ``scoring.windows.corners``.
    """

    row: int
    number: int


@dataclass(frozen=True)
class Resized:
    """A picture in memory.

    Attributes:
        picture: the original, uint8, shape (height, width, 3).
        small: the resized picture, uint8, shape (resized height, resized width, 3).
    """

    picture: np.ndarray
    small: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the resized picture."""
        return self.small.shape[0], self.small.shape[1]

    @property
    def original(self) -> tuple[int, int]:
        """Height and width of the original picture."""
        return self.picture.shape[0], self.picture.shape[1]


def read_picture(image: ImageSample, params: DenseProbeParams) -> Resized:
    """Return a picture. Raises OSError if it cannot be decoded."""
    picture = np.asarray(image.source.open())
    return Resized(picture, resized(picture, params.short_side, params.long_side))


def window_pixels(model: Dense, picture: Resized, params: DenseProbeParams, number: int) -> torch.Tensor:
    """Return one window as input of the image tower, shape (1, 3, height, width)."""
    top, left = corners(*picture.size, params.crop, params.stride)[number]
    window = np.ascontiguousarray(picture.small[top : top + params.crop, left : left + params.crop])
    return model.normalise(torch.from_numpy(window).permute(2, 0, 1).float() / 255)[None]


def window_truth(truth: np.ndarray, size: tuple[int, int], params: DenseProbeParams, number: int) -> np.ndarray:
    """Return the truth of one window: resized by nearest neighbour, and cut.

    Args:
        truth: truth of the original picture, shape (height, width).
        size: height and width of the resized picture.
        params: sizes of windows.
        number: index of the window.
    """
    top, left = corners(*size, params.crop, params.stride)[number]
    small = resized_map(truth, size[1], size[0])
    return np.ascontiguousarray(small[top : top + params.crop, left : left + params.crop])


def windows_of(rows: Sequence[int], sizes: dict[int, tuple[int, int]], params: DenseProbeParams) -> list[Window]:
    """Return all windows of pictures.

    Args:
        rows: indices of the pictures.
        sizes: height and width of the resized picture, by index.
        params: sizes of windows.
    """
    counts = {row: len(corners(*sizes[row], params.crop, params.stride)) for row in rows}
    return [Window(row, number) for row in rows for number in range(counts[row])]


def checked_truth(target: Target, row: int, id: str, size: tuple[int, int]) -> np.ndarray:
    """Return the truth of a picture.

    Args:
        target: has the truth.
        row: index of the picture.
        id: id of the picture.
        size: height and width of the original picture.

    Raises:
        TaskError: it cannot be read, or has another size than its picture.
    """
    truth = target.truth(row)
    if truth.shape != size:
        found = f"{size[1]} x {size[0]} pixels, its mask or depth map {truth.shape[1]} x {truth.shape[0]}"
        raise TaskError(f"{id} is {found}.")
    return truth

"""Pictures with boxes as inputs of an image tower: the squashed picture, or a crop for every box."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from goldieval.core.errors import TaskError
from goldieval.data.boxes import clipped, is_empty
from goldieval.models.adapter import Dense, ImagePreprocessor
from goldieval.models.inputs import stacked
from goldieval.tasks.region_params import RegionsParams

NARROWEST = 1 / 1000  # a crop that is resized by its short side would take gigabytes
BICUBIC = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class RegionInputs:
    """The boxes of one picture, ready for the model.

    Attributes:
        pixels: ``roi``: the squashed picture, shape (1, 3, side, side); ``crop``: one input per box that has an area,
            shape (boxes with area, 3, height, width).
        corners: Boxes that have an area as fractions of width and height, shape (boxes with area, 4).
        empty: Which boxes have no area, shape (boxes,).
    """

    pixels: torch.Tensor
    corners: torch.Tensor
    empty: np.ndarray


def input_size(model: ImagePreprocessor) -> tuple[int, int]:
    """Return height and width of the inputs of the model's image tower.

    Raises:
        TaskError: Its transform gives no pictures but, for example, rows of patches of variable size.
    """
    shape = tuple(model.preprocess(Image.new("RGB", (64, 48))).shape)
    if len(shape) != 3:
        raise TaskError(
            f"this model's transform returns shape {shape}, in which a box has no place. Name a size of the squashed "
            "picture: --set resolution=256, or read crops: --set region=crop."
        )
    return shape[1], shape[2]


def squashed(
    picture: Image.Image, boxes: np.ndarray, model: Dense, size: tuple[int, int], params: RegionsParams
) -> RegionInputs:
    """Return a picture resized to the input size, whatever its shape, with its boxes.

    Args:
        picture: The picture.
        boxes: Corners in pixels of the picture, shape (boxes, 4).
        model: Normalises pixels.
        size: Height and width of the model's inputs, used unless ``params.resolution`` is given.
        params: Parameters of the task.
    """
    height, width = (params.resolution, params.resolution) if params.resolution else size
    inside = clipped(boxes, np.array(picture.size))
    empty = is_empty(inside)
    small = np.asarray(picture.resize((width, height), BICUBIC), dtype=np.float32) / 255
    pixels = model.normalise(torch.from_numpy(small).permute(2, 0, 1))
    fractions = inside[~empty] / np.array([*picture.size, *picture.size])
    return RegionInputs(pixels[None], torch.from_numpy(fractions), empty)


def cropped(
    picture: Image.Image, boxes: np.ndarray, model: ImagePreprocessor, size: tuple[int, int], params: RegionsParams
) -> RegionInputs:
    """Return an input for each box: the pixels that it touches, with context around it; arguments as of ``squashed``.

    Raises:
        TaskError: A crop is too narrow to be resized by its short side.
    """
    inside = clipped(boxes, np.array(picture.size))
    empty = is_empty(inside)
    crops = [_crop(picture, corners, params.context) for corners in inside[~empty]]
    made = [model.preprocess(_fitted(crop, size, params.fit)) for crop in crops]
    pixels = stacked(made) if made else torch.zeros(0, 3, *size)
    return RegionInputs(pixels, torch.from_numpy(inside[~empty]), empty)


def _crop(picture: Image.Image, corners: np.ndarray, context: float) -> Image.Image:
    """Return the pixels that a box touches, at least one, after it was enlarged within the picture."""
    around = context * (corners[2:] - corners[:2])
    ((left, top, right, bottom),) = clipped(
        np.concatenate([corners[:2] - around, corners[2:] + around])[None], np.array(picture.size)
    )
    return picture.crop((math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)))


def _fitted(crop: Image.Image, size: tuple[int, int], fit: str) -> Image.Image:
    if fit == "squash":
        return crop.resize((size[1], size[0]), BICUBIC)
    if fit == "pad":
        side = max(crop.size)
        square = Image.new("RGB", (side, side))
        square.paste(crop, ((side - crop.width) // 2, (side - crop.height) // 2))
        return square
    if min(crop.size) < NARROWEST * max(crop.size):
        raise TaskError(f"a box of {crop.width:,} x {crop.height:,} pixels is too narrow: use --set fit=squash or pad.")
    return crop

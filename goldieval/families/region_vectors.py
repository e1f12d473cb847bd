"""The vectors of the boxes of some pictures, in the two ways in which a box becomes a vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from PIL import Image

from goldieval.core.errors import NotApplicableError, TaskError
from goldieval.core.transfers import upload
from goldieval.data.boxes import Boxes
from goldieval.families.region_inputs import RegionInputs, cropped, input_size, squashed
from goldieval.families.region_units import Boxed, by_box, by_picture
from goldieval.models.adapter import Adapter, Dense, Model
from goldieval.models.inputs import stacked
from goldieval.scoring.roi import roi_vectors
from goldieval.tasks.region_params import RegionsParams

NO_DENSE = "this model gives no patch features: its adapter has no dense(pixels, attention). Use --set region=crop."
NO_ENCODER = "this model encodes no pictures, so that crops have no embeddings."


class Way(NamedTuple):
    """How boxes become vectors.

    Attributes:
        units: Divides the work.
        inputs: Converts a picture with the corners of its boxes into inputs; called by threads.
        vectors: Computes the vectors of the boxes that have an area, in the order of the inputs, shape (boxes, dim).
    """

    units: Callable[[Boxes, Sequence[int], int], list[list[Boxed]]]
    inputs: Callable[[Image.Image, np.ndarray], RegionInputs]
    vectors: Callable[[Sequence[RegionInputs]], torch.Tensor]


def check_way(region: str, model: Model) -> None:
    """Raise NotApplicableError if the model lacks what a way of reading boxes needs."""
    if region == "roi" and not isinstance(model, Dense):
        raise NotApplicableError(NO_DENSE)
    if region == "crop" and not hasattr(model, "encode_image"):
        raise NotApplicableError(NO_ENCODER)


def way_of(params: RegionsParams, model: Model, device: str) -> Way:
    """Return how the boxes of a task become vectors.

    Args:
        params: Parameters of the task.
        model: The model.
        device: Its device.

    Raises:
        TaskError: The inputs of the model are not pictures of one size.
    """
    return _WAYS[params.region](params, model, device)


def _roi(params: RegionsParams, model: Model, device: str) -> Way:
    dense, size = cast(Dense, model), (0, 0) if params.resolution else input_size(cast(Adapter, model))

    def inputs(picture: Image.Image, corners: np.ndarray) -> RegionInputs:
        return squashed(picture, corners, dense, size, params)

    def vectors(pictures: Sequence[RegionInputs]) -> torch.Tensor:
        pixels = upload(stacked([each.pixels[0] for each in pictures]), device)
        maps = dense.dense(pixels, params.attention)
        if maps.ndim != 4 or len(maps) != len(pixels):
            shape = tuple(maps.shape)
            raise TaskError(f"dense() returned features of shape {shape}, not ({len(pixels)}, rows, columns, dim).")
        return roi_vectors(maps, [each.corners for each in pictures])

    return Way(by_picture, inputs, vectors)


def _crop(params: RegionsParams, model: Model, device: str) -> Way:
    adapter = cast(Adapter, model)
    size = input_size(adapter) if params.fit == "squash" else (1, 1)

    def inputs(picture: Image.Image, corners: np.ndarray) -> RegionInputs:
        return cropped(picture, corners, adapter, size, params)

    def vectors(pictures: Sequence[RegionInputs]) -> torch.Tensor:
        return adapter.encode_image(stacked([crop for each in pictures for crop in each.pixels]))

    return Way(by_box, inputs, vectors)


_WAYS: dict[str, Callable[[RegionsParams, Model, str], Way]] = {"roi": _roi, "crop": _crop}

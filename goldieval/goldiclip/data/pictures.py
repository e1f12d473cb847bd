"""From pictures to the images of a batch: decoded, cropped and resized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from goldieval.data.decode import decode
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.images import CutImages, DrawnImages, Images
from goldieval.goldiclip.data.redrawing import Redrawing


@dataclass(frozen=True)
class CropBoxes:
    """What is cut out of n images; boxes are shares of an image's largest square, so that nothing is squeezed.

    Attributes:
        place: Where along the longer side the square lies, from 0 to 1, shape (n,).
        first: Boxes of the student's global crops, shape (n, 4), see ``random_boxes``.
        local: Boxes of the local crops, one tensor of shape (n, 4) for each.
        others: Boxes of further global crops, one tensor of shape (n, 4) for each.
    """

    place: torch.Tensor
    first: torch.Tensor
    local: Sequence[torch.Tensor]
    others: Sequence[torch.Tensor] = ()


def decoded(where: str, data: bytes) -> Image.Image:
    """Decode the picture of a sample in RGB, exactly as evaluation does.

    Args:
        where: File, and key or line, for messages.
        data: Content of the image file.

    Raises:
        BadSampleError: It cannot be decoded.
    """
    try:
        return decode(data)
    except OSError as error:
        raise BadSampleError(where, "unreadable picture", str(error)) from error


def crop_pictures(
    pictures: Sequence[Image.Image | torch.Tensor],
    boxes: CropBoxes,
    size: int,
    local_size: int,
    redrawing: Redrawing | None = None,
    jitter: torch.Tensor | None = None,
) -> Images:
    """Crop pictures; those that all lie in memory at the model's size are cropped later, where the model is.

    Args:
        pictures: Pictures of any size, or uint8 tensors (size, size, 3).
        boxes: What is cut out.
        size: Side of global crops in pixels.
        local_size: Side of local crops in pixels.
        redrawing: Backgrounds of the local crops of drawn pictures; by default their own.
        jitter: How the colours of local crops change, see ``colour_maps``; by default not at all.
    """
    drawn = [picture for picture in pictures if isinstance(picture, torch.Tensor)]
    if len(drawn) == len(pictures):
        local = _stacked(boxes.local, torch.empty(len(drawn), 0, 4))
        shown = torch.stack([boxes.first, *boxes.others], dim=1)
        return DrawnImages(torch.stack(drawn), shown, local, local_size, redrawing, jitter)
    files = [picture for picture in pictures if isinstance(picture, Image.Image)]
    return replace(_crop_files(files, boxes, size, local_size), jitter=jitter)


def _crop_files(pictures: Sequence[Image.Image], boxes: CropBoxes, size: int, local_size: int) -> CutImages:
    squares = [square(*picture.size, place) for picture, place in zip(pictures, boxes.place.tolist(), strict=True)]
    everything = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(len(pictures), -1)

    def crop(own: torch.Tensor, side: int) -> torch.Tensor:
        rows = zip(pictures, squares, own.tolist(), strict=True)
        return torch.from_numpy(np.stack([_crop(picture, frame, box, side) for picture, frame, box in rows]))

    shown = [crop(own, size) for own in (boxes.first, *boxes.others)]
    local = [crop(own, local_size) for own in boxes.local]
    none = torch.empty(len(pictures), 0, local_size, local_size, 3, dtype=torch.uint8)
    return CutImages(crop(everything, size), torch.stack(shown, dim=1), _stacked(local, none))


def square(width: int, height: int, place: float) -> tuple[float, float, int]:
    """Return left, top and side in pixels of a picture's largest square at ``place`` (0 to 1) of the longer side."""
    side = min(width, height)
    return (width - side) * place, (height - side) * place, side


def _crop(picture: Image.Image, frame: tuple[float, float, int], box: list[float], side: int) -> np.ndarray:
    left, top, length = frame
    corners = (left + box[0] * length, top + box[1] * length, left + box[2] * length, top + box[3] * length)
    # Rounding may put a corner a little outside.
    x, y, right, bottom = (min(max(at, 0.0), end) for at, end in zip(corners, picture.size * 2, strict=True))
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC, (x, y, right, bottom)))


def _stacked(crops: Sequence[torch.Tensor], none: torch.Tensor) -> torch.Tensor:
    """Stack the tensors of the crops of each image."""
    return torch.stack(list(crops), dim=1) if crops else none

"""From pictures to the inputs of the image tower: decoded, cropped, resized, normalised with CLIP's statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from goldieval.data.decode import decode
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.crops import crops_of

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


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


@dataclass(frozen=True)
class Crops:
    """Normalised crops of n images.

    Attributes:
        whole: The largest squares, shape (n, 3, size, size).
        first: The student's global crops, shape (n, 3, size, size).
        local: Local crops, shape (n, crops, 3, local size, local size).
        others: Further global crops, shape (n, crops, 3, size, size).
    """

    whole: torch.Tensor
    first: torch.Tensor
    local: torch.Tensor
    others: torch.Tensor


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
    pictures: Sequence[Image.Image | torch.Tensor], boxes: CropBoxes, size: int, local_size: int
) -> Crops:
    """Crop and normalise pictures; those that all lie in memory at the model's size are cropped at once.

    Args:
        pictures: Pictures of any size, or uint8 tensors (size, size, 3).
        boxes: What is cut out.
        size: Side of global crops in pixels.
        local_size: Side of local crops in pixels.
    """
    drawn = [picture for picture in pictures if isinstance(picture, torch.Tensor)]
    if len(drawn) == len(pictures):
        return _crop_together(torch.stack(drawn), boxes, local_size)
    files = [picture for picture in pictures if isinstance(picture, Image.Image)]
    return _crop_one_by_one(files, boxes, size, local_size)


def _crop_together(pictures: torch.Tensor, boxes: CropBoxes, local_size: int) -> Crops:
    whole = _normalised(pictures)
    size = whole.shape[-1]
    local = [crops_of(whole, own, local_size) for own in boxes.local]
    others = [crops_of(whole, own, size) for own in boxes.others]
    return Crops(whole, crops_of(whole, boxes.first, size), _stacked(local, whole), _stacked(others, whole))


def _crop_one_by_one(pictures: Sequence[Image.Image], boxes: CropBoxes, size: int, local_size: int) -> Crops:
    squares = [square(*picture.size, place) for picture, place in zip(pictures, boxes.place.tolist(), strict=True)]
    everything = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(len(pictures), -1)

    def crop(own: torch.Tensor, side: int) -> torch.Tensor:
        rows = zip(pictures, squares, own.tolist(), strict=True)
        parts = [_crop(picture, frame, box, side) for picture, frame, box in rows]
        return _normalised(torch.from_numpy(np.stack(parts)))

    whole = crop(everything, size)
    local = _stacked([crop(own, local_size) for own in boxes.local], whole)
    return Crops(whole, crop(boxes.first, size), local, _stacked([crop(own, size) for own in boxes.others], whole))


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


def _normalised(pictures: torch.Tensor) -> torch.Tensor:
    """(n, side, side, 3) uint8 to (n, 3, side, side) float."""
    return (pictures.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def _stacked(crops: list[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    return torch.stack(crops, dim=1) if crops else like.new_empty(len(like), 0, 3, 1, 1)

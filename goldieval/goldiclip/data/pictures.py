"""From pictures to what the towers see: decoded, cut, resized, normalised as CLIP's own."""

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
class Cuts:
    """What is cut out of n pictures.

    A picture is looked at through its largest square, so that nothing is squeezed; all boxes are shares of it.
    place: (n,) where along the longer side the square lies, 0 to 1.   mild: (n, 4) boxes.   views: (n, 4) boxes each.
    others: (n, 4) boxes of further crops of the model's size.
    """

    place: torch.Tensor
    mild: torch.Tensor
    views: Sequence[torch.Tensor]
    others: Sequence[torch.Tensor] = ()


@dataclass(frozen=True)
class ImageViews:
    """whole, mild: (n, 3, size, size).   views: (n, views, 3, small, small).   others: (n, others, 3, size, size)."""

    whole: torch.Tensor
    mild: torch.Tensor
    views: torch.Tensor
    others: torch.Tensor


def decoded(where: str, data: bytes) -> Image.Image:
    """Decode the picture of a sample in RGB, exactly as evaluation does. Raises BadSampleError."""
    try:
        return decode(data)
    except OSError as error:
        raise BadSampleError(where, "unreadable picture", str(error)) from error


def shown(pictures: Sequence[Image.Image | torch.Tensor], cuts: Cuts, size: int, small: int) -> ImageViews:
    """Cut pictures of any size; those that all lie in memory at the model's size are cut at once."""
    drawn = [picture for picture in pictures if isinstance(picture, torch.Tensor)]
    if len(drawn) == len(pictures):
        return _together(torch.stack(drawn), cuts, small)
    return _one_by_one([picture for picture in pictures if isinstance(picture, Image.Image)], cuts, size, small)


def _together(pictures: torch.Tensor, cuts: Cuts, small: int) -> ImageViews:
    whole = _normalised(pictures)
    views = [crops_of(whole, boxes, small) for boxes in cuts.views]
    others = [crops_of(whole, boxes, whole.shape[-1]) for boxes in cuts.others]
    return ImageViews(
        whole, crops_of(whole, cuts.mild, whole.shape[-1]), _stacked(views, whole), _stacked(others, whole)
    )


def _one_by_one(pictures: Sequence[Image.Image], cuts: Cuts, size: int, small: int) -> ImageViews:
    squares = [square(*picture.size, place) for picture, place in zip(pictures, cuts.place.tolist(), strict=True)]
    everything = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(len(pictures), -1)

    def cut(boxes: torch.Tensor, side: int) -> torch.Tensor:
        rows = zip(pictures, squares, boxes.tolist(), strict=True)
        parts = [_cut(picture, frame, box, side) for picture, frame, box in rows]
        return _normalised(torch.from_numpy(np.stack(parts)))

    whole = cut(everything, size)
    views = _stacked([cut(boxes, small) for boxes in cuts.views], whole)
    return ImageViews(whole, cut(cuts.mild, size), views, _stacked([cut(boxes, size) for boxes in cuts.others], whole))


def square(width: int, height: int, place: float) -> tuple[float, float, int]:
    """Return left, top and side in pixels of a picture's largest square at ``place`` (0 to 1) of the longer side."""
    side = min(width, height)
    return (width - side) * place, (height - side) * place, side


def _cut(picture: Image.Image, frame: tuple[float, float, int], box: list[float], side: int) -> np.ndarray:
    left, top, length = frame
    corners = (left + box[0] * length, top + box[1] * length, left + box[2] * length, top + box[3] * length)
    x, y, right, bottom = (min(max(at, 0.0), end) for at, end in zip(corners, picture.size * 2, strict=True))  # dust
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC, (x, y, right, bottom)))


def _normalised(pictures: torch.Tensor) -> torch.Tensor:
    """(n, side, side, 3) uint8 to (n, 3, side, side) float."""
    return (pictures.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def _stacked(views: list[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    return torch.stack(views, dim=1) if views else like.new_empty(len(like), 0, 3, 1, 1)

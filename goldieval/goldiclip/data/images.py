"""The images of a batch as bytes: they are cropped (drawn ones) and normalised where the model is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch

from goldieval.goldiclip.data.crops import crops_of
from goldieval.goldiclip.precision import in_float32

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


class Images(Protocol):
    """The images of a batch; its methods return float32 pixels, normalised with CLIP's statistics, on their device.

    Attributes:
        locals: Local crops per image.
        globals: Global crops per image.
    """

    @property
    def locals(self) -> int: ...
    @property
    def globals(self) -> int: ...

    def __len__(self) -> int: ...

    def first(self) -> torch.Tensor:
        """Return the first global crop of each image, which the student sees, shape (b, 3, side, side)."""

    def whole(self) -> torch.Tensor:
        """Return the same images uncropped, for the teacher, shape (b, 3, side, side)."""

    def local(self) -> torch.Tensor:
        """Return the local crops, shape (b, crops, 3, local side, local side)."""

    def others(self) -> torch.Tensor:
        """Return the global crops after the first, shape (b, crops, 3, side, side)."""

    def rows(self, start: int, stop: int) -> Images:
        """Return some of the images."""

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Images:
        """Change the tensors."""


@dataclass(frozen=True)
class CutImages:
    """Images that were cropped and resized on the host, as uint8 with the channels last.

    Attributes:
        squares: The largest squares, shape (b, side, side, 3).
        global_crops: Global crops, shape (b, globals, side, side, 3).
        local_crops: Local crops, shape (b, locals, local side, local side, 3).
    """

    squares: torch.Tensor
    global_crops: torch.Tensor
    local_crops: torch.Tensor

    @property
    def locals(self) -> int:
        return self.local_crops.shape[1]

    @property
    def globals(self) -> int:
        return self.global_crops.shape[1]

    def __len__(self) -> int:
        return len(self.squares)

    def first(self) -> torch.Tensor:
        return normalised(self.global_crops[:, 0])

    def whole(self) -> torch.Tensor:
        return normalised(self.squares)

    def local(self) -> torch.Tensor:
        return _several(self.local_crops)

    def others(self) -> torch.Tensor:
        return _several(self.global_crops[:, 1:])

    def rows(self, start: int, stop: int) -> CutImages:
        return self.mapped(lambda tensor: tensor[start:stop])

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> CutImages:
        return CutImages(*map(change, (self.squares, self.global_crops, self.local_crops)))


@dataclass(frozen=True)
class DrawnImages:
    """Images at the model's size, with what is cut out of them.

    Attributes:
        pictures: Shape (b, side, side, 3), uint8.
        global_boxes: Boxes of the global crops, shape (b, globals, 4), see ``random_boxes``.
        local_boxes: Boxes of the local crops, shape (b, locals, 4).
        local_size: Side of a local crop in pixels.
    """

    pictures: torch.Tensor
    global_boxes: torch.Tensor
    local_boxes: torch.Tensor
    local_size: int

    @property
    def locals(self) -> int:
        return self.local_boxes.shape[1]

    @property
    def globals(self) -> int:
        return self.global_boxes.shape[1]

    def __len__(self) -> int:
        return len(self.pictures)

    def first(self) -> torch.Tensor:
        return self._crops(self.global_boxes[:, :1], self.pictures.shape[1]).squeeze(1)

    def whole(self) -> torch.Tensor:
        return normalised(self.pictures)

    def local(self) -> torch.Tensor:
        return self._crops(self.local_boxes, self.local_size)

    def others(self) -> torch.Tensor:
        return self._crops(self.global_boxes[:, 1:], self.pictures.shape[1])

    def rows(self, start: int, stop: int) -> DrawnImages:
        return self.mapped(lambda tensor: tensor[start:stop])

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> DrawnImages:
        pictures, global_boxes, local_boxes = map(change, (self.pictures, self.global_boxes, self.local_boxes))
        return DrawnImages(pictures, global_boxes, local_boxes, self.local_size)

    def _crops(self, boxes: torch.Tensor, size: int) -> torch.Tensor:
        """Cut one box after another out of all images, shape (b, crops, 3, size, size)."""
        whole = self.whole()
        if not boxes.shape[1]:
            return whole.new_empty(len(whole), 0, 3, 1, 1)
        with in_float32(whole):  # autocast would round coordinates to a fraction of a pixel
            return torch.stack([crops_of(whole, own, size) for own in boxes.unbind(1)], dim=1)


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """(n, side, side, 3) uint8 to (n, 3, side, side) float."""
    mean, std = _statistics(pictures.device)
    return (pictures.permute(0, 3, 1, 2).float() / 255 - mean) / std


def _several(pictures: torch.Tensor) -> torch.Tensor:
    """(n, crops, side, side, 3) uint8 to (n, crops, 3, side, side) float."""
    if not pictures.shape[1]:
        return torch.empty(len(pictures), 0, 3, 1, 1, device=pictures.device)
    flat = normalised(pictures.flatten(0, 1)).contiguous()
    return flat.view(*pictures.shape[:2], *flat.shape[1:])


@cache
def _statistics(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation on a device, to which they are copied once."""
    return MEAN.to(device), STD.to(device)

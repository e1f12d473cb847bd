"""The images of a batch as bytes: they are cropped (drawn ones) and normalised where the model is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Protocol

import torch

from goldieval.goldiclip.data.crops import crops_of
from goldieval.goldiclip.data.jitter import jittered
from goldieval.goldiclip.data.normalisation import normalised
from goldieval.goldiclip.data.redrawing import Redrawing
from goldieval.goldiclip.precision import in_float32


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
        jitter: How the colours of local crops change, shape (b, locals, 3, 4), see ``colour_maps``; None: not at all.
    """

    squares: torch.Tensor
    global_crops: torch.Tensor
    local_crops: torch.Tensor
    jitter: torch.Tensor | None = None

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
        crops = _several(self.local_crops)
        return crops if self.jitter is None else jittered(crops, self.jitter)

    def others(self) -> torch.Tensor:
        return _several(self.global_crops[:, 1:])

    def rows(self, start: int, stop: int) -> CutImages:
        return self.mapped(lambda tensor: tensor[start:stop])

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> CutImages:
        squares, global_crops, local_crops = map(change, (self.squares, self.global_crops, self.local_crops))
        return CutImages(squares, global_crops, local_crops, None if self.jitter is None else change(self.jitter))


@dataclass(frozen=True)
class DrawnImages:
    """Images at the model's size, with what is cut out of them.

    Attributes:
        pictures: Shape (b, side, side, 3), uint8.
        global_boxes: Boxes of the global crops, shape (b, globals, 4), see ``random_boxes``.
        local_boxes: Boxes of the local crops, shape (b, locals, 4).
        local_size: Side of a local crop in pixels.
        redrawing: Backgrounds of local crops; None: the pictures' own.
        jitter: How the colours of local crops change, shape (b, locals, 3, 4), see ``colour_maps``; None: not at all.
    """

    pictures: torch.Tensor
    global_boxes: torch.Tensor
    local_boxes: torch.Tensor
    local_size: int
    redrawing: Redrawing | None = None
    jitter: torch.Tensor | None = None

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
        crops = self._crops(self.local_boxes, self.local_size, self.redrawing)
        return crops if self.jitter is None else jittered(crops, self.jitter)

    def others(self) -> torch.Tensor:
        return self._crops(self.global_boxes[:, 1:], self.pictures.shape[1])

    def rows(self, start: int, stop: int) -> DrawnImages:
        own = self._mapped(lambda tensor: tensor[start:stop])
        return own if self.redrawing is None else replace(own, redrawing=self.redrawing.rows(start, stop))

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> DrawnImages:
        own = self._mapped(change)
        return own if self.redrawing is None else replace(own, redrawing=self.redrawing.mapped(change))

    def _mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> DrawnImages:
        """Change the tensors, without those of ``redrawing``."""
        pictures, global_boxes, local_boxes = map(change, (self.pictures, self.global_boxes, self.local_boxes))
        jitter = None if self.jitter is None else change(self.jitter)
        return DrawnImages(pictures, global_boxes, local_boxes, self.local_size, jitter=jitter)

    def _crops(self, boxes: torch.Tensor, size: int, redrawing: Redrawing | None = None) -> torch.Tensor:
        """Cut one box after another out of all images, shape (b, crops, 3, size, size)."""
        whole = self.whole()
        if not boxes.shape[1]:
            return whole.new_empty(len(whole), 0, 3, 1, 1)
        pictures = repeat(whole) if redrawing is None else redrawing.pictures(whole)
        with in_float32(whole):  # autocast would round coordinates to a fraction of a pixel
            return torch.stack([crops_of(*own, size) for own in zip(pictures, boxes.unbind(1), strict=False)], dim=1)


def _several(pictures: torch.Tensor) -> torch.Tensor:
    """(n, crops, side, side, 3) uint8 to (n, crops, 3, side, side) float."""
    if not pictures.shape[1]:
        return torch.empty(len(pictures), 0, 3, 1, 1, device=pictures.device)
    flat = normalised(pictures.flatten(0, 1)).contiguous()
    return flat.view(*pictures.shape[:2], *flat.shape[1:])

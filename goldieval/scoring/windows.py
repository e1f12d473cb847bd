"""Sliding windows over a picture: patch logits, averaged where windows overlap and resized, by two matrix products.

A window's logits are upsampled from its patches to its pixels, windows are averaged, and the average is resized to the
original picture (SCLIP, section 3.3; mmsegmentation's ``slide_inference``). All three are linear and act on rows and on
columns apart, and windows stand on a grid. So the logits of the whole picture are V P H' with P the patch logits of all
windows side by side, about a sixtieth of the pixels; any tile of them is made when it is asked for, and nothing as
large as the picture times the classes ever exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

TILE, DEVICE_TILE = 1 << 16, 1 << 20  # pixels of a tile
Encode = Callable[[torch.Tensor], torch.Tensor]


def starts(length: int, crop: int, stride: int) -> list[int]:
    """First pixel of every window along one side; the last one is shifted back to stay inside.

    >>> starts(500, 224, 112), starts(100, 224, 112)
    ([0, 112, 224, 276], [0])
    """
    count = max(length - crop + stride - 1, 0) // stride + 1
    return [max(min(number * stride + crop, length) - crop, 0) for number in range(count)]


def spread(length: int, target: int, cells: int, crop: int, stride: int) -> torch.Tensor:
    """Return what upsampling, averaging and resizing do along one side, shape (target, windows * cells).

    Args:
        length: pixels of the picture that the windows lie on.   target: pixels of the original.
        cells: patches of a window along this side.
    """
    firsts, side = starts(length, crop, stride), min(crop, length)
    window = F.interpolate(torch.eye(cells)[None], size=side, mode="linear", align_corners=False)[0].T
    placed, covered = torch.zeros(length, len(firsts) * cells), torch.zeros(length, 1)
    for number, first in enumerate(firsts):
        placed[first : first + side, number * cells : (number + 1) * cells] = window
        covered[first : first + side] += 1
    average = (placed / covered).T[None]
    return F.interpolate(average, size=target, mode="linear", align_corners=False)[0].T.contiguous()


@dataclass(frozen=True)
class SlidingLogits:
    """Logits of a picture, not made yet.

    patches: (texts, rows of all windows, columns of all windows).   vertical: (height, rows).
    horizontal: (width, columns).
    """

    patches: torch.Tensor
    vertical: torch.Tensor
    horizontal: torch.Tensor

    @property
    def size(self) -> tuple[int, int]:
        return len(self.vertical), len(self.horizontal)

    def tiles(self, pixels: int = 0) -> Iterator[tuple[slice, slice, torch.Tensor]]:
        """Yield rows, columns and logits (texts, rows, columns) of tiles of at most so many pixels."""
        most = pixels or (TILE if self.patches.device.type == "cpu" else DEVICE_TILE)
        height, width = self.size
        wide = min(width, most)
        high = max(1, most // wide)
        for left in range(0, width, wide):
            columns = slice(left, min(left + wide, width))
            across = _product(self.patches, self.horizontal[columns])
            for top in range(0, height, high):
                rows = slice(top, min(top + high, height))
                yield rows, columns, _product(across.transpose(1, 2), self.vertical[rows]).transpose(1, 2)

    def whole(self) -> torch.Tensor:
        """Return all logits at once, (texts, height, width)."""
        ((_, _, logits),) = self.tiles(self.size[0] * self.size[1])
        return logits


def slide(
    pixels: torch.Tensor, encode: Encode, size: tuple[int, int], crop: int, stride: int, batch: int
) -> SlidingLogits:
    """Encode the windows of one picture, ``batch`` of them at a time.

    Args:
        pixels: (channels, height, width).   encode: windows (n, channels, h, w) to logits (n, texts, rows, columns).
        size: height and width of the original picture.   crop, stride: pixels; a shorter side is one small window.
    """
    tops, lefts = (starts(length, crop, stride) for length in pixels.shape[1:])
    places = [(top, left) for top in tops for left in lefts]
    parts = []
    for first in range(0, len(places), batch):
        windows = [pixels[:, top : top + crop, left : left + crop] for top, left in places[first : first + batch]]
        parts.append(encode(torch.stack(windows)).float())
    logits = torch.cat(parts)
    rows, columns = logits.shape[2:]
    placed = logits.view(len(tops), len(lefts), -1, rows, columns).permute(2, 0, 3, 1, 4)
    grid = placed.flatten(3, 4).flatten(1, 2)
    sides = zip(pixels.shape[1:], size, (rows, columns), strict=True)
    vertical, horizontal = (spread(length, target, cells, crop, stride) for length, target, cells in sides)
    return SlidingLogits(grid.contiguous(), vertical.to(grid.device), horizontal.to(grid.device))


def _product(patches: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """patches (texts, n, cells) times part (pixels, cells): (texts, n, pixels), by the cells that the part touches."""
    touched = torch.nonzero(part.any(0)).flatten()
    first, last = int(touched[0]), int(touched[-1]) + 1
    return patches[..., first:last] @ part[:, first:last].T

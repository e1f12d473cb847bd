"""Sliding windows over an image: patch logits, averaged where windows overlap and resized, by two matrix products.

A window's logits are upsampled from its patches to its pixels, windows are averaged, and the average is resized to the
original image (SCLIP, section 3.3; mmsegmentation's ``slide_inference``). All three steps are linear and separable into
rows and columns, and windows lie on a grid. The logits of the whole image are therefore V P H', with P the patch logits
of all windows side by side, about a sixtieth of the pixels. Any tile of them is computed on demand, and no array of the
size of the image times the number of classes is ever allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from goldieval.core.transfers import upload

TILE, DEVICE_TILE = 1 << 16, 1 << 20  # pixels of a tile
Encode = Callable[[torch.Tensor], torch.Tensor]


def starts(length: int, crop: int, stride: int) -> list[int]:
    """Return the first pixel of every window along one side; the last window is shifted back to stay inside.

    >>> starts(500, 224, 112), starts(100, 224, 112)
    ([0, 112, 224, 276], [0])
    """
    count = max(length - crop + stride - 1, 0) // stride + 1
    return [max(min(number * stride + crop, length) - crop, 0) for number in range(count)]


def upsampling(cells: int, pixels: int) -> torch.Tensor:
    """Return the matrix that upsamples cells to pixels along one side, bilinearly, shape (pixels, cells)."""
    return F.interpolate(torch.eye(cells)[None], size=pixels, mode="linear", align_corners=False)[0].T


def spread(length: int, target: int, cells: int, crop: int, stride: int) -> torch.Tensor:
    """Return the matrix that upsamples, averages and resizes along one side, shape (target, windows * cells).

    Args:
        length: Pixels of the image that the windows lie on.
        target: Pixels of the original image.
        cells: Patches of a window along this side.
        crop: Pixels of a window.
        stride: Pixels between windows.
    """
    firsts, side = starts(length, crop, stride), min(crop, length)
    window = upsampling(cells, side)
    placed, covered = torch.zeros(length, len(firsts) * cells), torch.zeros(length, 1)
    for number, first in enumerate(firsts):
        placed[first : first + side, number * cells : (number + 1) * cells] = window
        covered[first : first + side] += 1
    average = (placed / covered).T[None]
    return F.interpolate(average, size=target, mode="linear", align_corners=False)[0].T.contiguous()


@dataclass(frozen=True)
class SlidingLogits:
    """Logits of an image, computed on demand.

    Attributes:
        patches: Shape (texts, rows of all windows, columns of all windows).
        vertical: On the host, shape (height, rows).
        horizontal: On the host, shape (width, columns).
    """

    patches: torch.Tensor
    vertical: torch.Tensor
    horizontal: torch.Tensor

    @property
    def size(self) -> tuple[int, int]:
        return len(self.vertical), len(self.horizontal)

    def tiles(self, pixels: int = 0) -> Iterator[tuple[slice, slice, torch.Tensor]]:
        """Yield rows, columns and logits (texts, rows, columns) of tiles with at most ``pixels`` pixels."""
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
        """Return all logits at once, shape (texts, height, width)."""
        ((_, _, logits),) = self.tiles(self.size[0] * self.size[1])
        return logits


def slide(
    pixels: torch.Tensor, encode: Encode, size: tuple[int, int], crop: int, stride: int, batch: int
) -> SlidingLogits:
    """Encode the windows of one image, ``batch`` of them at a time.

    Args:
        pixels: Image, shape (channels, height, width).
        encode: Maps windows (n, channels, h, w) to logits (n, texts, rows, columns).
        size: Height and width of the original image.
        crop: Window size in pixels; a shorter side gives one smaller window.
        stride: Pixels between windows.
        batch: Number of windows encoded at a time.
    """
    height, width = pixels.shape[1:]
    places = corners(height, width, crop, stride)
    parts = []
    for first in range(0, len(places), batch):
        windows = [pixels[:, top : top + crop, left : left + crop] for top, left in places[first : first + batch]]
        parts.append(encode(torch.stack(windows)).float())
    return placed(torch.cat(parts), (height, width), size, crop, stride)


def corners(height: int, width: int, crop: int, stride: int) -> list[tuple[int, int]]:
    """Return first row and first column of every window of an image, row by row.

    >>> corners(100, 300, 224, 112)
    [(0, 0), (0, 76)]
    """
    return [(top, left) for top in starts(height, crop, stride) for left in starts(width, crop, stride)]


def placed(
    logits: torch.Tensor, image: tuple[int, int], size: tuple[int, int], crop: int, stride: int
) -> SlidingLogits:
    """Put the logits of all windows of an image side by side.

    Args:
        logits: Those of each window in the order of ``corners``, shape (windows, texts, rows, columns).
        image: Height and width of the image that the windows lie on.
        size: Height and width of the original image.
        crop: Window size in pixels.
        stride: Pixels between windows.
    """
    down, across = (len(starts(length, crop, stride)) for length in image)
    rows, columns = logits.shape[2:]
    grid = logits.view(down, across, -1, rows, columns).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)
    sides = zip(image, size, (rows, columns), strict=True)
    vertical, horizontal = (spread(length, target, cells, crop, stride) for length, target, cells in sides)
    return SlidingLogits(grid.contiguous(), vertical, horizontal)


def _product(patches: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """Return patches (texts, n, cells) times part (pixels, cells), shape (texts, n, pixels), for the cells in use.

    The part is on the host, where the cells in use are found without waiting for the device.
    """
    touched = torch.nonzero(part.any(0)).flatten()
    first, last = int(touched[0]), int(touched[-1]) + 1
    return patches[..., first:last] @ upload(part[:, first:last], patches.device).T

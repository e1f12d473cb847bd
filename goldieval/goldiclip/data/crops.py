"""Random crops of a batch of images, all at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def random_boxes(count: int, area: tuple[float, float], generator: torch.Generator) -> torch.Tensor:
    """Draw squares of random area and position inside an image.

    Args:
        count: Number of squares.
        area: Lowest and highest share of the image's area.
        generator: Source of random numbers.

    Returns:
        Left, top, right and bottom as shares of the image's sides, shape (count, 4).
    """
    side = torch.empty(count).uniform_(*area, generator=generator).sqrt()
    left, top = ((1 - side) * torch.rand(count, generator=generator) for _ in range(2))
    return torch.stack([left, top, left + side, top + side], dim=1)


def crops_of(pictures: torch.Tensor, boxes: torch.Tensor, size: int) -> torch.Tensor:
    """Crop one box out of every image and resize it. Images are never flipped, because captions say left and right.

    Args:
        pictures: Shape (n, 3, height, width).
        boxes: Shape (n, 4), see ``random_boxes``.
        size: Side of the crops in pixels.

    Returns:
        Shape (n, 3, size, size).
    """
    grid = F.affine_grid(_affine(boxes), [len(pictures), 3, size, size], align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _affine(boxes: torch.Tensor) -> torch.Tensor:
    """Return matrices that map a crop onto its box in grid coordinates from -1 to 1, shape (n, 2, 3)."""
    left, top, right, bottom = boxes.T
    zero = torch.zeros_like(left)
    return torch.stack(
        [
            torch.stack([right - left, zero, left + right - 1], dim=1),
            torch.stack([zero, bottom - top, top + bottom - 1], dim=1),
        ],
        dim=1,
    )

"""Random crops of a batch of pictures, all at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def random_boxes(count: int, area: tuple[float, float], generator: torch.Generator) -> torch.Tensor:
    """Draw squares of random area and place inside a picture.

    Args:
        area: lowest and highest share of the picture.

    Returns:
        (count, 4) left, top, right, bottom as shares of the picture
    """
    side = torch.empty(count).uniform_(*area, generator=generator).sqrt()
    left, top = ((1 - side) * torch.rand(count, generator=generator) for _ in range(2))
    return torch.stack([left, top, left + side, top + side], dim=1)


def crops_of(pictures: torch.Tensor, boxes: torch.Tensor, size: int) -> torch.Tensor:
    """Cut one box out of every picture and resize it; never flipped: captions say left.

    Args:
        pictures: (n, 3, height, width).   boxes: (n, 4), see ``random_boxes``.   size: side of the result in pixels.

    Returns:
        (n, 3, size, size)
    """
    grid = F.affine_grid(_affine(boxes), [len(pictures), 3, size, size], align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _affine(boxes: torch.Tensor) -> torch.Tensor:
    """Matrices that map the result's square onto each box, in grid coordinates from -1 to 1, shape (n, 2, 3)."""
    left, top, right, bottom = boxes.T
    zero = torch.zeros_like(left)
    return torch.stack(
        [
            torch.stack([right - left, zero, left + right - 1], dim=1),
            torch.stack([zero, bottom - top, top + bottom - 1], dim=1),
        ],
        dim=1,
    )

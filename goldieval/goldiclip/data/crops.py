"""Random crops of a batch of pictures, all at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def random_crops(
    pictures: torch.Tensor, size: int, area: tuple[float, float], generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Crop a square of random area and place out of every picture and resize it; never flipped: captions say left.

    Args:
        pictures: (n, 3, height, width).   size: side of the result in pixels.   area: lowest and highest share.

    Returns:
        crops (n, 3, size, size); boxes (n, 4) left, top, right, bottom as shares of the picture
    """
    count = len(pictures)
    share = torch.empty(count).uniform_(*area, generator=generator)
    side = share.sqrt()
    left, top = ((1 - side) * torch.rand(count, generator=generator) for _ in range(2))
    boxes = torch.stack([left, top, left + side, top + side], dim=1)
    grid = F.affine_grid(_affine(boxes), [count, 3, size, size], align_corners=False)
    crops = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return crops, boxes


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

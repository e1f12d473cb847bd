"""Boxes inside a picture: left, top, right, bottom as shares of it."""

from __future__ import annotations

import torch


def placed(boxes: torch.Tensor) -> torch.Tensor:
    """Return matrices that map a square onto each box (n, 4), in grid coordinates from -1 to 1, shape (n, 2, 3)."""
    left, top, right, bottom = boxes.T
    zero = torch.zeros_like(left)
    return torch.stack(
        [
            torch.stack([right - left, zero, left + right - 1], dim=1),
            torch.stack([zero, bottom - top, top + bottom - 1], dim=1),
        ],
        dim=1,
    )

"""Normalisation of pixels with CLIP's statistics."""

from __future__ import annotations

from functools import cache

import torch

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """(n, side, side, 3) uint8 to (n, 3, side, side) float."""
    return normalised_colours(pictures.permute(0, 3, 1, 2).float() / 255)


def normalised_colours(colours: torch.Tensor) -> torch.Tensor:
    """Normalise (n, 3, height, width) float from 0 to 1."""
    mean, std = _statistics(colours.device)
    return (colours - mean) / std


def plain_colours(pixels: torch.Tensor) -> torch.Tensor:
    """Undo ``normalised_colours``."""
    mean, std = _statistics(pixels.device)
    return pixels * std + mean


@cache
def _statistics(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation on a device, to which they are copied once."""
    return MEAN.to(device), STD.to(device)

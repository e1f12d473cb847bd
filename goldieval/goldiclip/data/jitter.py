"""Photometric jitter that leaves colour words right: brightness, contrast, saturation and a little hue.

All four are linear, so that together they map a colour (red, green, blue) to ``matrix @ colour + offset``.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from goldieval.goldiclip.data.normalisation import normalised_colours, plain_colours
from goldieval.goldiclip.precision import in_float32

# The largest change by one of them alone, at strength 1. Each of the eight object colours of the drawn world is then
# still nearest to itself, in RGB and in CIELAB; changes larger by a third would make yellow orange, and blue purple.
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.15, 0.2, 0.3, math.radians(8)
CHANGES = 4
MIDDLE = 0.5  # grey that contrast leaves as it is

# Luma and the two axes of colour of NTSC: brightness is one of them, saturation and hue belong to the other two.
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_GREY = np.ones((3, 1)) * _YIQ[:1]
_COLOUR = np.eye(3) - _GREY
_TURN = np.linalg.inv(_YIQ) @ np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0]]) @ _YIQ


def colour_maps(strength: float, uniform: npt.NDArray[np.float64]) -> torch.Tensor:
    """Return how colours change.

    The four changes are drawn independently, and scaled back where together they exceed the largest by one alone.

    Args:
        strength: From 0 (none) to 1.
        uniform: Four random numbers from 0 to 1 for each view, shape (..., 4).

    Returns:
        Matrix, and offset in the last column, shape (..., 3, 4), float32.
    """
    signed = 2 * uniform - 1
    change = strength * signed / np.maximum(1, np.linalg.norm(signed, axis=-1, keepdims=True))
    brightness, contrast, saturation, hue = np.moveaxis(change * [BRIGHTNESS, CONTRAST, SATURATION, HUE], -1, 0)
    kept, turned = ((1 + saturation) * part(hue) for part in (np.cos, np.sin))
    colour = _GREY + kept[..., None, None] * _COLOUR + turned[..., None, None] * _TURN
    matrix = ((1 + brightness) * (1 + contrast))[..., None, None] * colour
    offset = np.broadcast_to((-(1 + brightness) * contrast * MIDDLE)[..., None, None], (*matrix.shape[:-1], 1))
    return torch.from_numpy(np.concatenate([matrix, offset], axis=-1)).float()


def jittered(views: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Change the colours of views.

    Args:
        views: Normalised, shape (b, views, 3, height, width).
        maps: How the colours of each change, shape (b, views, 3, 4), see ``colour_maps``.

    Returns:
        Normalised, within what bytes can hold, of the same shape.
    """
    if not views.shape[1]:
        return views
    with in_float32(views):  # autocast would round colours to a few bits
        colours = plain_colours(views.flatten(0, 1))
        flat = maps.flatten(0, 1)
        changed = torch.baddbmm(flat[..., 3:], flat[..., :3], colours.flatten(2)).clamp(0, 1)
        return normalised_colours(changed.view_as(colours)).view_as(views)

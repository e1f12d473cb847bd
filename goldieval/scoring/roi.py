"""One vector per box from the dense map of its picture: RoIAlign with one bin."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def roi_vectors(maps: torch.Tensor, boxes: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the mean of bilinear samples of the map within each box, as many per side as it covers cells, rounded up.

    This is RoIAlign (He et al. 2017, section 3) with output size 1 x 1, adaptive sampling and half-pixel alignment
    (``aligned=True``), which is how FG-CLIP and beta-CLIP read a box.

    Args:
        maps: Dense features, shape (pictures, rows, columns, dim).
        boxes: Corners of the boxes of each picture as fractions of its width and height (left, top, right, bottom), on
            the host; each of shape (boxes of the picture, 4).

    Returns:
        Float32, not normalised, in the order of the pictures, shape (boxes, dim).
    """
    from torchvision.ops import roi_align

    rows, columns = maps.shape[1:3]
    cells = torch.tensor([columns, rows, columns, rows], dtype=torch.float64)
    scaled = [(corners.double() * cells).float().to(maps.device) for corners in boxes]
    channels_first = maps.float().permute(0, 3, 1, 2).contiguous()
    found: torch.Tensor = roi_align(channels_first, scaled, 1, spatial_scale=1.0, sampling_ratio=-1, aligned=True)
    return found.flatten(1)

"""One vector per box from the dense map of its picture: RoIAlign with one bin."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from goldieval.core.transfers import upload


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
    cells = torch.tensor([1, columns, rows, columns, rows], dtype=torch.float64)
    numbers = torch.repeat_interleave(torch.arange(len(boxes)), torch.tensor([len(corners) for corners in boxes]))
    rois = torch.cat([numbers[:, None].double(), torch.cat(list(boxes)).double()], dim=1) * cells
    placed = upload(rois.float(), maps.device)  # one copy, for which the host does not wait
    channels_first = maps.float().permute(0, 3, 1, 2).contiguous()
    found: torch.Tensor = roi_align(channels_first, placed, 1, spatial_scale=1.0, sampling_ratio=-1, aligned=True)
    return found.flatten(1)

"""Cross-entropy of patch logits that are upsampled to pixels, with its gradient, in bounded memory.

Upsampling is a product with two matrices, and the gradient is computed together with the loss, band by band: nothing of
the size of pixels times classes outlives a band. No sum is in an order that the device chooses, unlike in the backward
pass of bilinear interpolation on CUDA.
"""

from __future__ import annotations

from typing import Any

import torch

from goldieval.core.transfers import upload
from goldieval.scoring.windows import DEVICE_TILE, TILE, upsampling


def pixel_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, ignored: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sum over labelled pixels of the cross-entropy in nats, and the number of labelled pixels.

    Args:
        logits: Of each patch, float32, shape (classes, rows, columns).
        labels: Class of each pixel of the window, int64, shape (height, width).
        ignored: Label of pixels that have none.
    """
    found: torch.Tensor = _CrossEntropy.apply(logits, labels, ignored)
    return found, (labels != ignored).sum().to(found.dtype)


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, labels: torch.Tensor, ignored: int) -> torch.Tensor:
        """Return the loss; keep its gradient on the logits."""
        loss, gradient = _loss_and_gradient(logits, labels, ignored)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, scale: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return scale * gradient, None, None


def _loss_and_gradient(logits: torch.Tensor, labels: torch.Tensor, ignored: int) -> tuple[torch.Tensor, torch.Tensor]:
    (height, width), (rows, columns) = labels.shape, logits.shape[1:]
    vertical, horizontal = (
        upload(upsampling(cells, pixels).contiguous(), logits.device)
        for cells, pixels in ((rows, height), (columns, width))
    )
    across = logits @ horizontal.T
    on_across, loss = torch.zeros_like(across), logits.new_zeros(())
    most = TILE if logits.device.type == "cpu" else DEVICE_TILE
    high = max(1, most // width)
    for top in range(0, height, high):
        lines = slice(top, top + high)
        residual, lost = _of_pixels(vertical[lines] @ across, labels[lines], ignored)
        on_across += vertical[lines].T @ residual
        loss += lost
    return loss, on_across @ horizontal


def _of_pixels(logits: torch.Tensor, labels: torch.Tensor, ignored: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradient of the loss on the logits of pixels, (classes, height, width), and the loss."""
    labelled = (labels != ignored).to(logits.dtype)[None]
    true = labels.clamp(min=0)[None]
    log_probabilities = logits.log_softmax(0)
    loss = -(log_probabilities.gather(0, true) * labelled).sum()
    residual = log_probabilities.exp_()
    residual.scatter_(0, true, residual.gather(0, true) - 1)  # scatter_add_ has no fixed order on CUDA
    return residual.mul_(labelled), loss

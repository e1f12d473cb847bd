"""Contrast between images and captions: softmax (CLIP) and sigmoid (SigLIP, FLAIR's multi-positive form).

Each process contrasts its own rows with the columns of all processes, in blocks: none holds a table of all pairs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.gather import all_rows, summed_share
from goldieval.goldiclip.objectives.blocks import rows_within, summed, with_gradients
from goldieval.goldiclip.precision import in_float32, unit


def softmax_contrastive(left: torch.Tensor, right: torch.Tensor, scale: torch.Tensor, first: int = 0) -> torch.Tensor:
    """Return CLIP's loss: InfoNCE in both directions, averaged over all pairs of a left view and a right one.

    CLIP has one view of an image, its image feature, and one for each of its captions: a caption is contrasted with
    one caption of every other image, and other captions of its own image are left out.

    The views of the side that has more of them are exchanged between processes one after the other, so that memory does
    not grow with their number. Their gradients go back at once, for which the factor of this loss in the sum that is
    trained has to be the same in all processes.

    Args:
        left: Unit vectors of this process, shape (b, m, d).
        right: Unit vectors of this process, shape (b, n, d).
        scale: Logit scale.
        first: Row of this process's first image among those of all processes.

    Returns:
        The mean over the pairs of views and the rows of this process.
    """
    inputs = (left, right, scale)
    trained = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    swapped = left.shape[1] > right.shape[1]
    few, many = (right, left) if swapped else (left, right)
    parts, passed = [], []
    with torch.no_grad(), in_float32(left):
        held = [_View(view, trained and few.requires_grad) for view in few.unbind(1)]
        for each in many.unbind(1):
            other = _View(each, trained and many.requires_grad)
            pairs = [pair for view in held for pair in ((view, other), (other, view))]
            parts += [rows.contrast(columns, scale, first, trained) for rows, columns in pairs]
            passed.append(other.gradient(scale))
        by_side = [_stacked([view.gradient(scale) for view in held]), _stacked(passed)]
        total, of_scale = (torch.stack(part).sum() for part in zip(*parts, strict=True))
    value = with_gradients(total, inputs, [*(by_side[::-1] if swapped else by_side), of_scale]) if trained else total
    return value / (2 * len(left) * left.shape[1] * right.shape[1])


class _View:
    """One view of the images: the rows of this process and of all, and their gradients, yet to be scaled."""

    def __init__(self, own: torch.Tensor, trained: bool) -> None:
        self.own = own.float().contiguous()
        self.everyone = all_rows(self.own)
        self.own_slope = torch.zeros_like(self.own) if trained else None
        self.slope_of_all = torch.zeros_like(self.everyone) if trained else None

    def contrast(
        self, other: _View, scale: torch.Tensor, first: int, trained: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Contrast own rows of this view with all of another; see ``contrast_rows``."""
        slopes = (self.own_slope, other.slope_of_all)
        return contrast_rows(self.own, other.everyone, scale, first, trained, *slopes)

    def gradient(self, scale: torch.Tensor) -> torch.Tensor | None:
        """Return the gradient of this process's rows, with what all processes have for them."""
        if self.own_slope is None or self.slope_of_all is None:
            return None
        return scale * (self.own_slope + summed_share(self.slope_of_all))


def _stacked(gradients: list[torch.Tensor | None]) -> torch.Tensor | None:
    known = [gradient for gradient in gradients if gradient is not None]
    return torch.stack(known, dim=1) if known else None


@torch.no_grad()
def contrast_rows(
    rows: torch.Tensor,
    columns: torch.Tensor,
    scale: torch.Tensor,
    first: int,
    trained: bool,
    row_slope: torch.Tensor | None = None,
    column_slope: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sum of the cross-entropies of finding each row's own column, in blocks of rows.

    Args:
        rows: Unit vectors in float32, shape (n, d).
        columns: Unit vectors in float32, shape (g, d); row i belongs to column ``first`` + i.
        scale: Logit scale.
        first: See ``columns``.
        trained: Whether derivatives are wanted.
        row_slope: Where to add the gradient of the rows, divided by ``scale``; shape (n, d).
        column_slope: Where to add that of the columns; shape (g, d).

    Returns:
        The sum, and its derivative with respect to ``scale``, 0 where derivatives are not wanted.
    """
    total = of_scale = scale.new_zeros(())
    block = rows_within(2 * columns.element_size() * len(columns))  # the table, and one more inside of logsumexp
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        table = (part @ columns.T).mul_(scale)
        normaliser = table.logsumexp(1)
        total = total + (normaliser - table.diagonal(first + start)).sum()
        if not trained:
            continue
        table.sub_(normaliser[:, None]).exp_().diagonal(first + start).sub_(1)
        pull = table @ columns
        of_scale = of_scale + (pull * part).sum()
        if row_slope is not None:
            row_slope[start : start + block] += pull
        if column_slope is not None:
            column_slope.addmm_(table.T, part)
    return total, of_scale


def sigmoid_contrastive(
    images: torch.Tensor, all_texts: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, first: int = 0
) -> torch.Tensor:
    """Return FLAIR's multi-positive sigmoid loss: captions of an image are its positives, all others its negatives.

    Args:
        images: Unit vectors of this process, shape (b, d).
        all_texts: Caption features of all processes, normalised or not, shape (g, k, d).
        scale: Logit scale.
        bias: Logit bias.
        first: Row of this process's first image among those of all processes.

    Returns:
        The sum over all pairs divided by b * k.
    """
    count, captions = len(images), all_texts.shape[1]

    def of_columns(
        start: int, texts: torch.Tensor, images: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        with in_float32(images):
            logits = scale * images.float() @ unit(texts.flatten(0, 1)).T + bias
        column = torch.arange(start, start + len(texts), device=images.device).repeat_interleave(captions)
        own = column == torch.arange(first, first + count, device=images.device)[:, None]
        return -F.logsigmoid(torch.where(own, logits, -logits)).sum()

    block = rows_within(4 * captions * (6 * count + 4 * images.shape[1]))
    return summed(of_columns, (all_texts,), (images, scale, bias), block=block) / (count * captions)

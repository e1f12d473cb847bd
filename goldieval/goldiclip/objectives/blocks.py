"""Losses in blocks: memory of one block, whatever the batch and the number of processes.

A loss is a scalar, so the gradient of a block's share is known up to a factor as soon as the share is. It is computed
at once, and the block's activations are dropped; nothing is computed again in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

BLOCK_BYTES = 512 * 2**20  # memory of a block, about


def rows_within(bytes_per_row: int) -> int:
    """Return how many rows a block has, at least one."""
    return max(1, BLOCK_BYTES // max(1, bytes_per_row))


def summed(
    loss: Callable[..., torch.Tensor],
    rows: Sequence[torch.Tensor],
    shared: Sequence[torch.Tensor] = (),
    parameters: Sequence[torch.Tensor] = (),
    *,
    block: int,
) -> torch.Tensor:
    """Return the sum of a loss over blocks of rows, with the activations of one block at a time.

    The loss of a block should be a plain sum over its rows, to be divided by their number afterwards: in float16 the
    gradients of a mean would underflow here, before the loss is scaled.

    Args:
        loss: Maps the number of the block's first row, the block of each of ``rows``, and ``shared``, to a scalar.
        rows: Tensors of the same length; each block sees its part.
        shared: Tensors that each block sees whole.
        parameters: Parameters that ``loss`` uses by itself. One that is not named here would get no gradient.
        block: Rows of a block.

    Returns:
        A scalar in float32.
    """
    inputs = [*rows, *shared, *parameters]
    trained = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    with torch.no_grad():
        total, gradients = rows[0].new_zeros((), dtype=torch.float32), _Gradients(rows, shared, parameters, block)
        leaves = [_leaf(tensor, trained and tensor.requires_grad) for tensor in shared]
        for start in range(0, len(rows[0]), block):
            parts = [_leaf(tensor[start : start + block], trained and tensor.requires_grad) for tensor in rows]
            with torch.set_grad_enabled(trained):
                value = loss(start, *parts, *leaves)
            total += value.detach()
            if trained:
                gradients.add(start, value, [*parts, *leaves, *parameters])
    return with_gradients(total, inputs, gradients.found()) if trained else total


def recomputed(function: Callable[..., torch.Tensor], rows: Sequence[torch.Tensor], *, block: int) -> torch.Tensor:
    """Return a function of rows that keeps no activations: a block's are computed again in the backward pass.

    Args:
        function: Maps the block of each of ``rows`` to a tensor with a row for each of the block's; not random.
        rows: Tensors of the same length.
        block: Rows of a block.
    """
    blocks = [[tensor[start : start + block] for tensor in rows] for start in range(0, len(rows[0]), block)]
    kept_nothing = partial(checkpoint, function, use_reentrant=False, preserve_rng_state=False)
    return torch.cat([kept_nothing(*own) for own in blocks])


def with_gradients(
    value: torch.Tensor, inputs: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor | None]
) -> torch.Tensor:
    """Return a scalar whose gradient is known.

    Args:
        value: The scalar, without a gradient.
        inputs: What it was computed from.
        gradients: Its gradient with respect to each of them, None where there is none.
    """
    scalar: torch.Tensor = _WithGradients.apply(value, list(gradients), *inputs)
    return scalar


class _WithGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, gradients: list[torch.Tensor | None], *inputs: torch.Tensor) -> Any:
        ctx.save_for_backward(*gradients)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: torch.Tensor) -> Any:
        scaled = [None if gradient is None else gradient * factor for gradient in ctx.saved_tensors]
        return None, None, *scaled


class _Gradients:
    """The gradient of a sum over blocks: of rows block by block, of what blocks share added up in float32."""

    def __init__(
        self,
        rows: Sequence[torch.Tensor],
        shared: Sequence[torch.Tensor],
        parameters: Sequence[torch.Tensor],
        block: int,
    ) -> None:
        self.several = len(rows[0]) > block
        self.inputs, self.rows = [*rows, *shared, *parameters], len(rows)
        self.sums: list[torch.Tensor | None] = [None] * len(self.inputs)

    def add(self, start: int, value: torch.Tensor, leaves: Sequence[torch.Tensor]) -> None:
        """Add the gradient of a block's value with respect to its leaves."""
        places = [place for place, leaf in enumerate(leaves) if leaf.requires_grad]
        found = torch.autograd.grad(value, [leaves[place] for place in places], allow_unused=True)
        for place, gradient in zip(places, found, strict=True):
            if gradient is not None:
                self._add(place, start, gradient)

    def _add(self, place: int, start: int, gradient: torch.Tensor) -> None:
        like = self.inputs[place]
        if not self.several:
            self.sums[place] = gradient
            return
        in_rows = place < self.rows
        if (total := self.sums[place]) is None:
            dtype = like.dtype if in_rows else torch.promote_types(like.dtype, torch.float32)
            total = self.sums[place] = torch.zeros_like(like, dtype=dtype, memory_format=torch.contiguous_format)
        target = total[start : start + len(gradient)] if in_rows else total
        target += gradient

    def found(self) -> list[torch.Tensor | None]:
        """Return the gradients, each of its input's type."""
        return [
            None if total is None else total.to(like.dtype) for total, like in zip(self.sums, self.inputs, strict=True)
        ]


def _leaf(tensor: torch.Tensor, requires_grad: bool) -> torch.Tensor:
    return tensor.detach().requires_grad_(requires_grad)

"""open_clip's transformer blocks with the fast attention; in training, activations may be computed again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from goldieval.goldiclip.attention import attention_of_one, self_attention

BlockStep = Callable[[nn.Module, torch.Tensor, bool], torch.Tensor]


def as_written(block: nn.Module, hidden: torch.Tensor, causal: bool) -> torch.Tensor:
    """Apply a block.

    Args:
        block: The block.
        hidden: Tokens, shape (n, length, width).
        causal: Whether a token attends only to those up to itself.

    Returns:
        Tokens of the same shape.
    """
    hidden = hidden + attend(block, hidden, causal)
    return hidden + transform(block, hidden)


@dataclass(frozen=True)
class BlockSettings:
    """How a block is computed; an attribute ``settings`` of the block, which its name, state and evaluation do not see.

    Attributes:
        recomputed: Whether its activations are computed again in the backward pass instead of being kept.
        step: What computes it.
    """

    recomputed: bool = False
    step: BlockStep = as_written


DEFAULT = BlockSettings()


def settings_of(block: nn.Module) -> BlockSettings:
    """Return how a block is computed: as written, unless a training says otherwise."""
    found: BlockSettings = vars(block).get("settings", DEFAULT)
    return found


def run(blocks: Iterable[nn.Module], hidden: torch.Tensor, causal: bool) -> torch.Tensor:
    """Apply blocks, each by its settings.

    Args:
        blocks: The blocks.
        hidden: Tokens, shape (n, length, width).
        causal: Whether a token attends only to those up to itself.

    Returns:
        Tokens of the same shape.
    """
    for block in blocks:
        hidden = kept_as_set(block, settings_of(block).step)(block, hidden, causal)
    return hidden


def run_for_one(
    blocks: Sequence[nn.Module] | nn.ModuleList, hidden: torch.Tensor, places: torch.Tensor, causal: bool
) -> torch.Tensor:
    """Apply blocks of which one token of each row is wanted: the last block computes of the others what that needs.

    Args:
        blocks: The blocks, one at least.
        hidden: Tokens, shape (n, length, width).
        places: Place of the wanted token in each row, shape (n,).
        causal: Whether a token attends only to those up to itself.

    Returns:
        The wanted tokens, shape (n, width), as ``run`` gives them but for rounding.
    """
    last = blocks[-1]
    return kept_as_set(last, one_token)(last, run(blocks[:-1], hidden, causal), places, causal)


def one_token(block: Any, hidden: torch.Tensor, places: torch.Tensor, causal: bool) -> torch.Tensor:
    """Apply a block and return one token of each row, shape (n, width); see ``run_for_one``."""
    rows, every = (torch.arange(size, device=hidden.device) for size in hidden.shape[:2])
    normed = block.ln_1(hidden)
    seen = every <= places[:, None] if causal else None
    one = hidden[rows, places][:, None]
    one = one + attention_of_one(block.attn, normed[rows, places][:, None], normed, seen)
    return (one + transform(block, one)).squeeze(1)


def kept_as_set(block: nn.Module, function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Return a function that belongs to a block; its activations are kept or computed again as the block's are."""
    return recomputing(function) if settings_of(block).recomputed else function


def recomputing(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Return a function that gives the same, and whose backward pass computes its activations again.

    Nothing in the model draws random numbers, so that the state of no generator is kept for it.
    """

    def call(*inputs: Any) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return function(*inputs)
        output: torch.Tensor = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
        return output

    return call


def recomputed_places(share: float, blocks: int) -> list[int]:
    """Return which blocks of a stack are computed again: a share of them, rounded up and evenly spread.

    >>> recomputed_places(0.5, 12), recomputed_places(0.25, 12), recomputed_places(0.5, 3), recomputed_places(0, 12)
    ([1, 3, 5, 7, 9, 11], [2, 6, 10], [0, 2], [])
    """
    wanted = math.ceil(round(share * blocks, 6))
    return [int((place + 0.5) * blocks / wanted) for place in range(wanted)]


def set_blocks(blocks: Sequence[nn.Module] | nn.ModuleList, share: float, step: BlockStep = as_written) -> None:
    """Set how the blocks of a stack are computed.

    Args:
        blocks: The blocks.
        share: Share of them whose activations are computed again, from 0 to 1.
        step: What computes each.
    """
    recomputed = recomputed_places(share, len(blocks))
    for place, block in enumerate(blocks):
        vars(block)["settings"] = BlockSettings(place in recomputed, step)


def attend(block: Any, hidden: torch.Tensor, causal: bool) -> torch.Tensor:
    """Apply the self-attention half of one of open_clip's blocks, without its residual."""
    return self_attention(block.attn, block.ln_1(hidden), causal)


def transform(block: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Apply the MLP half of one of open_clip's blocks, without its residual."""
    transformed: torch.Tensor = block.mlp(block.ln_2(hidden))
    return transformed

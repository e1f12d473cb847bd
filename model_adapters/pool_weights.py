"""Weights of torch's MultiheadAttention under the names of our text-conditioned poolings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    import torch


def pool_weights(state: Mapping[str, torch.Tensor], dim: int, heads: int, file: Path) -> dict[str, torch.Tensor]:
    """Return the projections of an attention, of which queries, keys and values are one matrix in the file.

    Args:
        state: tensors whose names begin with ``attn.``.
        dim: width of the pooling.
        heads: number of heads.
        file: the file, for error messages.

    Raises:
        GoldievalError: a tensor is missing or cannot be divided, or the heads do not divide the width.
    """
    if dim % heads:
        raise GoldievalError(f"{file}: {heads} heads do not divide the pooling's width of {dim}.")
    found: dict[str, torch.Tensor] = {}
    try:
        for part in ("weight", "bias"):
            thirds = state[f"attn.in_proj_{part}"].chunk(3)
            found |= {f"{name}.{part}": third for name, third in zip(("query", "key", "value"), thirds, strict=True)}
            found[f"out.{part}"] = state[f"attn.out_proj.{part}"]
    except (KeyError, ValueError) as error:
        raise GoldievalError(f"{file}: the pooling does not fit: missing or invalid {error}.") from error
    return found

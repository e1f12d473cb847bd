"""Padding of token ids: trailing zeros up to the length of the longest text in a batch."""

from __future__ import annotations

import torch


def trim(tokens: torch.Tensor) -> torch.Tensor:
    """Remove trailing zeros common to all rows, shape (texts, context) to (texts, longest)."""
    return tokens[:, : int(lengths(tokens).max())]


def lengths(tokens: torch.Tensor) -> torch.Tensor:
    """Return the length of every row up to its last non-zero id, shape (texts,).

    Zeros within a text are not padding: in CLIP's vocabulary 0 is the "!" of, for example, "!~".
    """
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    return ((tokens != 0) * places).amax(dim=1)

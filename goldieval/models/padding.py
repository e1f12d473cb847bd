"""Padding of token ids: zeros at the end, up to what the longest text of a batch needs."""

from __future__ import annotations

import torch


def trim(tokens: torch.Tensor) -> torch.Tensor:
    """Cut zero padding that the whole batch shares, shape (texts, context) to (texts, longest)."""
    return tokens[:, : int(lengths(tokens).max())]


def lengths(tokens: torch.Tensor) -> torch.Tensor:
    """Length of every row up to its last id that is not 0, shape (texts,).

    Zeros inside a text are no padding: in CLIP's vocabulary 0 is the "!" of, say, "!~".
    """
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    return ((tokens != 0) * places).amax(dim=1)

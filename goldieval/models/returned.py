"""What the encoders of an adapter must return."""

from __future__ import annotations

from typing import Any

from goldieval.core.errors import AdapterError


def check_features(features: Any, count: int, function: str) -> None:
    """Raise AdapterError unless an encoder returned one row of numbers for each of its inputs.

    Args:
        features: What it returned; should be a tensor of shape (count, dim).
        count: Number of inputs.
        function: Name of the encoder.
    """
    import torch

    if not isinstance(features, torch.Tensor):
        raise AdapterError(f"{function}() must return a tensor; it returned {type(features).__name__}.")
    if features.ndim != 2 or len(features) != count or features.shape[1] == 0 or features.is_complex():
        returned = f"{features.dtype} {tuple(features.shape)}"
        raise AdapterError(f"{function}() must return floats of shape ({count}, dim); it returned {returned}.")

"""The temperature that a module learned for its softmax or sigmoid: the factor of cosines before it."""

from __future__ import annotations

import math
from typing import Any

import torch

LARGEST = 1000.0  # ten times what CLIP's training allows; beyond it, the number is not the logarithm of a factor
UNKNOWN = "logit_scale_is_unknown"  # attribute of a module whose checkpoint lacks its ``logit_scale``


def factor_of(module: Any, name: str = "logit_scale") -> float | None:
    """Return the factor by which a module multiplies cosines, ``exp(module.logit_scale)``.

    This is the convention of CLIP, open_clip and transformers. None for a module without such a single number, or with
    one that is not a logarithm or was not in its checkpoint.

    Args:
        module: The module.
        name: Name of the logarithm of the factor.
    """
    scale = getattr(module, name, None)
    if not isinstance(scale, torch.Tensor) or scale.numel() != 1 or getattr(module, UNKNOWN, False):
        return None
    logarithm = float(scale.detach().reshape(()))
    return math.exp(logarithm) if logarithm <= math.log(LARGEST) else None

"""What is computed in float32 whatever the precision of the towers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F


def in_float32(tensor: torch.Tensor) -> AbstractContextManager[object]:
    """Switch mixed precision off: in bfloat16 a logit of 10 has an error of up to 0.03, too much for a contrast."""
    device = tensor.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def unit(features: torch.Tensor) -> torch.Tensor:
    """Return unit vectors in float32: bfloat16 changes lengths by up to 0.3 %, too much for a scaled cosine."""
    return F.normalize(features.float(), dim=-1)

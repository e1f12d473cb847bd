"""Hard negatives: the true caption of an image against false ones of the same words (NegCLIP, arXiv 2210.01936)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.gather import averaged


def foil_loss(scores: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of choosing the first candidate, over the images that have candidates.

    With several processes it is the sum over ours divided by the mean number of a process, as in ``decoding_loss``.

    Args:
        scores: (b, candidates) logits.   real: (b, candidates), False where an image has fewer, or none.
    """
    asked = real[:, 0]
    logits = scores.float().masked_fill(~real, -torch.inf)[asked]
    total = F.cross_entropy(logits, torch.zeros_like(logits[:, 0], dtype=torch.long), reduction="sum")
    return total / averaged(asked.sum()).clamp_min(1e-6)

"""Hard negatives: the true caption of an image against foils made of the same words (NegCLIP, arXiv 2210.01936)."""

from __future__ import annotations

import torch

from goldieval.goldiclip.gather import averaged


def foil_loss(scores: torch.Tensor, is_candidate: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of choosing the first candidate, over the groups that have candidates.

    With several processes, the sum is divided by the mean number of groups per process, as in ``decoding_loss``.

    Args:
        scores: Logits, shape (groups, candidates).
        is_candidate: Shape (groups, candidates), False where a group has fewer candidates, or none.
    """
    has_candidates = is_candidate[:, :1]
    filling = has_candidates & ~is_candidate  # a group without candidates keeps its scores, and does not count
    surprise = -scores.float().masked_fill(filling, -torch.inf).log_softmax(1)[:, :1]
    return surprise.masked_fill(~has_candidates, 0).sum() / averaged(has_candidates.sum()).clamp_min(1e-6)

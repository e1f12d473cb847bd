"""Next-token loss of captions and answers, over target positions only."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.gather import averaged

IGNORE = -100


def targets_of(answer: torch.Tensor, end_of_text: int) -> torch.Tensor:
    """Shift framed ids left, shape (n, length); what lies behind the end-of-text is ignored."""
    following = F.pad(answer[:, 1:], (0, 1), value=IGNORE)
    ended = (answer == end_of_text).cumsum(1) > 0
    return following.masked_fill(ended, IGNORE)


def decoding_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over target positions; 0, not NaN, where there are none.

    With several processes it is the sum over ours divided by the mean number of a process: averaged over processes, as
    their gradients are, it is the mean over all positions, however unevenly the answers are long.

    Args:
        logits: (n, length, vocabulary).   targets: (n, length), ``IGNORE`` where nothing is asked.
    """
    total = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / averaged((targets != IGNORE).sum()).clamp_min(1e-6).to(total.dtype)

"""Next-token loss of captions and answers, over target positions only."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.gather import averaged

IGNORE = -100  # target of positions that are not predicted


def targets_of(answer: torch.Tensor, end_of_text: int) -> torch.Tensor:
    """Return the next token of each position; positions from the end of text on are ignored.

    Args:
        answer: Framed token ids, shape (n, length).
        end_of_text: Id of the end of text.

    Returns:
        Targets of shape (n, length), ``IGNORE`` where nothing is predicted.
    """
    following = F.pad(answer[:, 1:], (0, 1), value=IGNORE)
    ended = (answer == end_of_text).cumsum(1) > 0
    return following.masked_fill(ended, IGNORE)


def decoding_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy over target positions; 0, not NaN, where there are none.

    With several processes, the sum over this process's positions is divided by the mean number of positions per
    process. Averaged over processes, as gradients are, that is the mean over all positions, however unequal the lengths
    of the answers.

    Args:
        logits: Shape (n, length, vocabulary).
        targets: Shape (n, length), ``IGNORE`` where nothing is predicted.
    """
    total = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / averaged((targets != IGNORE).sum()).clamp_min(1e-6).to(total.dtype)

"""Next-token loss of captions and answers, over target positions only, in float32 and in blocks of positions."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.gather import averaged
from goldieval.goldiclip.objectives.blocks import rows_within, summed
from goldieval.goldiclip.precision import in_float32

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


def positions_before(lengths: torch.Tensor, host_lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the positions before the last one of each text, text by text.

    Args:
        lengths: Length of each text, at least 1, shape (n,).
        host_lengths: The same on the host, so that the device need not be waited for.

    Returns:
        Row and column of each position, on the device of ``lengths``.
    """
    counts, total = lengths - 1, int(host_lengths.sum()) - host_lengths.numel()
    rows = torch.repeat_interleave(counts, output_size=total)
    first = counts.cumsum(0) - counts
    return rows, torch.arange(total, device=lengths.device) - first[rows]


def decoding_loss(states: torch.Tensor, targets: torch.Tensor, vocabulary: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy over target positions; 0, not NaN, where there are none.

    With several processes, the sum over this process's positions is divided by the mean number of positions per
    process. Averaged over processes, as gradients are, that is the mean over all positions, however unequal the lengths
    of the answers.

    Args:
        states: What the decoder says at each position, shape (positions, width).
        targets: Next tokens, shape (positions,), ``IGNORE`` where nothing is predicted.
        vocabulary: Embeddings by which a state is multiplied for its logits, shape (vocabulary, width).
    """

    def of_positions(start: int, states: torch.Tensor, targets: torch.Tensor, vocabulary: torch.Tensor) -> torch.Tensor:
        with in_float32(states):
            logits = states.float() @ vocabulary.float().T
            return F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")

    total = summed(of_positions, (states, targets), (vocabulary,), block=rows_within(4 * 4 * len(vocabulary)))
    return total / averaged((targets != IGNORE).sum()).clamp_min(1e-6)

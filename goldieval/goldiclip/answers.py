"""Answers as token ids: joined to their questions, their lengths, and the logits of what follows."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from goldieval.goldiclip.precision import in_float32
from goldieval.goldiclip.towers import TextTower

LONGEST_ANSWER = 12  # tokens


def next_token_logits(text: TextTower, states: torch.Tensor) -> torch.Tensor:
    """Return the logits of the vocabulary for states (..., text width), in float32 also under autocast.

    Their softmax is over tens of thousands of tokens: bfloat16 moves a logit of 20 by up to 0.06.
    """
    with in_float32(states):
        return states.float() @ text.embedding.weight.float().T


def joined_sequence(text: TextTower, question: torch.Tensor, answer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Append answers to their questions; a question that is too long is truncated and keeps its end of text.

    How much is truncated depends on a row's own answer alone, and leaves room for ``LONGEST_ANSWER`` tokens, so that
    the end of a question does not move during generation.

    Args:
        text: The text tower.
        question: Framed ids, shape (n, length).
        answer: Ids that begin with start of text, shape (n, answer length).

    Returns:
        Ids of shape (n, length up to the context), and the positions that predict the answer's tokens, shape (n, answer
        length); positions of padding have no meaning.
    """
    length = answer.shape[1]
    finished = answer == text.end_of_text
    needed = torch.where(finished.any(1), finished.int().argmax(1), length)
    room = (text.context_length - needed.clamp_min(LONGEST_ANSWER)).clamp_min(1)
    end = torch.minimum(text.end_of(question), room)
    places = end[:, None] + torch.arange(length, device=answer.device)
    padded = F.pad(question, (0, length))
    offset = torch.arange(padded.shape[1], device=answer.device) - end[:, None]  # 0 at the end of the question
    said = answer.gather(1, offset.clamp(0, length - 1))
    joined = torch.where((offset > 0) & (offset < length), said, padded)
    joined = torch.where(offset == 0, text.end_of_text, joined)[:, : text.context_length]
    return joined, places.clamp(max=joined.shape[1] - 1)


def longest_of(answers: torch.Tensor, end: int) -> int:
    """Return the number of tokens up to the end of the longest answer; more than there are if one has not ended.

    Args:
        answers: Ids, shape (n, tokens).
        end: Id of the end of text.
    """
    ended = answers == end
    lengths = torch.where(ended.any(1), ended.int().argmax(1), answers.shape[1]) + 1
    return int(lengths.max())

"""FLAIR's caption sampling: a caption joins one to three of an image's sentences."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal

MAX_SENTENCES = 3  # of a caption, as in FLAIR
QuestionsAsCaptions = Literal["no", "answered", "either"]


def sample_captions(
    sentences: Sequence[Sequence[int]],
    count: int,
    join: Sequence[int],
    rng: Random,
    max_sentences: int = MAX_SENTENCES,
) -> list[list[int]]:
    """Draw captions from an image's sentences; the draws are independent, so some may repeat.

    A caption has one to ``max_sentences`` sentences: consecutive ones half of the time, else any.

    Args:
        sentences: Token ids of each sentence.
        count: Number of captions.
        join: Token ids that stand between two sentences (a full stop).
        rng: Source of random numbers.
        max_sentences: Largest number of sentences of a caption.

    Returns:
        Token ids of each caption.
    """
    return [_caption(sentences, join, rng, max_sentences) for _ in range(count)]


def _caption(sentences: Sequence[Sequence[int]], join: Sequence[int], rng: Random, max_sentences: int) -> list[int]:
    number = rng.randint(1, max_sentences)
    if number >= len(sentences):
        chosen: Sequence[int] = range(len(sentences))
    elif number > 1 and rng.random() < 0.5:
        start = rng.randint(0, len(sentences) - number)
        chosen = range(start, start + number)
    else:
        chosen = rng.sample(range(len(sentences)), number)
    joined = list(sentences[chosen[0]])
    for place in chosen[1:]:
        joined += [*join, *sentences[place]]
    return joined

"""FLAIR's caption sampling: a caption is one to three sentences of what is said of an image."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal

LONGEST = 3  # sentences a caption
QuestionsAsCaptions = Literal["no", "answered", "either"]


def sample(
    sentences: Sequence[Sequence[int]], count: int, join: Sequence[int], rng: Random, longest: int = LONGEST
) -> list[list[int]]:
    """Draw ``count`` captions from an image's sentences, given as token ids; independent, so some may repeat.

    One sentence, or up to ``longest``: half of the time consecutive ones, else any; joined by ``join`` (a full stop).
    """
    return [_caption(sentences, join, rng, longest) for _ in range(count)]


def _caption(sentences: Sequence[Sequence[int]], join: Sequence[int], rng: Random, longest: int) -> list[int]:
    number = rng.randint(1, longest)
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

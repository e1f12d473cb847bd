"""Lengths of the texts of a task, and what the context of a model cuts from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

CLIP_CONTEXT = 77
TokenCounter = Callable[[Sequence[str]], "list[int] | None"]
LONGEST = 5  # texts that are shown with what is cut


@dataclass(frozen=True)
class TextReader:
    """What decides which part of a text a model reads.

    Attributes:
        name: Description for people, such as ``CLIP's tokenizer``.
        context: Tokens that the model reads, 0 if it has no limit.
        count_tokens: Returns the number of tokens of each text before truncation, or None if unknown.
    """

    name: str
    context: int
    count_tokens: TokenCounter


@dataclass(frozen=True)
class CutText:
    """A text with the part that the model reads, and the part that it does not."""

    kept: str
    lost: str
    tokens: int


@dataclass(frozen=True)
class TextLengths:
    """Lengths of the texts.

    Attributes:
        texts: Number of distinct texts.
        unit: ``tokens``, or ``words`` if the tokenizer is not known.
        lengths: Length of each text in ``unit``.
        context: Tokens that the model reads, 0 if unknown.
        cut: Number of texts that are longer than that.
        reader: Whose tokenizer it is.
        longest: The longest texts.
    """

    texts: int
    unit: str
    lengths: list[int]
    context: int
    cut: int
    reader: str
    longest: list[CutText] = field(default_factory=list)


def clip_reader() -> TextReader:
    """Return the tokenizer and context of the original CLIP, which most checkpoints share."""
    from open_clip import SimpleTokenizer

    from goldieval.models.token_counts import token_counts

    tokenizer = SimpleTokenizer()
    return TextReader("CLIP's tokenizer", CLIP_CONTEXT, lambda texts: token_counts(tokenizer, texts))


def text_lengths(texts: Sequence[str], reader: TextReader) -> TextLengths | None:
    """Measure the distinct texts of a task; None if it has none."""
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return None
    counts = reader.count_tokens(distinct)
    if counts is None:
        words = [len(text.split()) for text in distinct]
        order = sorted(range(len(distinct)), key=lambda row: -words[row])[:LONGEST]
        shown = [CutText(distinct[row], "", words[row]) for row in order]
        return TextLengths(len(distinct), "words", words, 0, 0, reader.name, shown)
    order = sorted(range(len(distinct)), key=lambda row: -counts[row])[:LONGEST]
    return TextLengths(
        texts=len(distinct),
        unit="tokens",
        lengths=counts,
        context=reader.context,
        cut=sum(0 < reader.context < count for count in counts),
        reader=reader.name,
        longest=[_cut(distinct[row], counts[row], reader) for row in order],
    )


def _cut(text: str, tokens: int, reader: TextReader) -> CutText:
    """Split a text after the last whole word that fits into the context, found by bisection."""
    if not 0 < reader.context < tokens:
        return CutText(text, "", tokens)
    ends = [0, *(match.end() for match in re.finditer(r"\S+", text))]
    low, high = 0, len(ends) - 1  # the first `low` words fit; more than `high` do not
    while low < high:
        middle = (low + high + 1) // 2
        fits = (reader.count_tokens([text[: ends[middle]]]) or [0])[0] <= reader.context
        low, high = (middle, high) if fits else (low, middle - 1)
    return CutText(text[: ends[low]], text[ends[low] :], tokens)

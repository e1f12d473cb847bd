"""Selection and combination of an image's captions."""

from __future__ import annotations

from collections.abc import Sequence


def first_line(text: str) -> str:
    """Return the text up to its first newline, stripped: Long-CLIP reads one line of a caption file.

    >>> first_line("A street at night. \\nAnother line")
    'A street at night.'
    """
    return text.split("\n", 1)[0].strip()


def joined(captions: Sequence[str], separator: str) -> str:
    """Return an image's captions joined to one; DCI's is its short caption, a newline and its extra caption (LoTLIP).

    >>> joined(["A cat.", "It sleeps."], "\\n")
    'A cat.\\nIt sleeps.'
    """
    return separator.join(captions)


def first(captions: Sequence[str], count: int) -> list[str]:
    """Return the first ``count`` captions in the original order: 5 of COCO val2017's 5 to 7 (Long-CLIP, FG-CLIP)."""
    return list(captions[:count])

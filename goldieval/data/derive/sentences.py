"""FLAIR's sentences: a long description becomes one caption per sentence, or one line of sentences (LoTLIP)."""

from __future__ import annotations

import re

BREAK = re.compile(r"\n|</s>|\.")


def sentences_of(text: str, min_length: int = 1) -> list[str]:
    """Split at newlines, the literal ``</s>`` and every full stop; strip; omit parts shorter than ``min_length``.

    Abbreviations and decimals are split as well, as in the released code of FLAIR, LoTLIP and COSMOS. Lengths are in
    characters; 3 omits quote marks and initials left by a full stop, as in FLAIR's IIW list.

    >>> sentences_of("A dog. It is 2.5 feet tall.\\nSo what")
    ['A dog', 'It is 2', '5 feet tall', 'So what']
    >>> sentences_of('He said "no." Then H. left.', min_length=3)
    ['He said "no', '" Then H', 'left']
    """
    parts = (part.strip() for part in BREAK.split(text))
    return [part for part in parts if len(part) >= max(1, min_length)]


def rejoined(text: str) -> str:
    """Split and join again with ``". "``: without newlines and final full stop, the long caption of LoTLIP and FLAIR.

    >>> rejoined("A dog.\\nIt sits.")
    'A dog. It sits'
    """
    return ". ".join(sentences_of(text))

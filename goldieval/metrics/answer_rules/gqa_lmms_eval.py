"""GQA's exact match as lmms-eval applies it: case and punctuation are ignored on both sides."""

from __future__ import annotations

import string
from collections.abc import Sequence

TRUTHS = "any"
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return an answer in lower case without punctuation."""
    return given.lower().translate(WITHOUT_PUNCTUATION)


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 for an answer that equals a true one, else 0.

    >>> credit("T-Shirt.", ["t-shirt"]), credit("t shirt", ["t-shirt"])
    (1.0, 0.0)
    """
    return float(any(parsed(given) == parsed(truth) for truth in truths))

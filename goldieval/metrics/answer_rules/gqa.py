"""GQA's exact match of an answer as LLaVA hands it in: in lower case, without full stops at its end."""

from __future__ import annotations

from collections.abc import Sequence

TRUTHS = "any"


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return an answer in lower case without full stops at its end."""
    return given.rstrip(".").lower()


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 for an answer that equals a true one, else 0; true answers are taken as they are.

    >>> credit("Left.", ["left"]), credit("t shirt", ["t-shirt"]), credit("left .", ["left"])
    (1.0, 0.0, 0.0)
    """
    return float(parsed(given) in truths)

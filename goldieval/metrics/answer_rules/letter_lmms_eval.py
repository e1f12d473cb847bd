"""The letter of an option as lmms-eval reads it from an answer to ScienceQA: alone, or first and before a full stop."""

from __future__ import annotations

from collections.abc import Sequence

TRUTHS = "letter"


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return the letter; empty if there is none."""
    alone = len(given) == 1 or given[1:2] == "."
    return given[0] if given and alone and given[0].isupper() else ""


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 if the letter is the true one, else 0.

    >>> [credit(given, ["B"]) for given in ("B", "B.", "B.mitosis", "The answer is B.", "b")]
    [1.0, 1.0, 1.0, 0.0, 0.0]
    """
    return float(parsed(given, options) in truths)

"""The letter of an option as lmms-eval (0.7.3) reads it from an answer to ScienceQA.

A letter alone, in upper or lower case (version 0.2: upper case only), or a capital letter that is first and before a
full stop.
"""

from __future__ import annotations

from collections.abc import Sequence

TRUTHS = "letter"


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return the letter; empty if there is none."""
    if len(given) == 1:
        return given.upper() if given.isalpha() else ""
    return given[0] if given[1:2] == "." and given[0].isupper() else ""


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 if the letter is the true one, else 0.

    >>> [credit(given, ["B"]) for given in ("B", "B.", "B.mitosis", "b", "The answer is B.", "b.")]
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """
    return float(parsed(given, options) in truths)

"""Yes or no as LLaVA reads it from an answer to POPE.

An answer is ``no`` if its first sentence has one of the words ``No``, ``no`` and ``not``, and ``yes`` in any other
case: an empty answer, ``maybe`` and ``NO`` are ``yes``. Words are parted by spaces, and commas are removed before.
"""

from __future__ import annotations

from collections.abc import Sequence

TRUTHS = "yes or no"
NEGATIONS = {"No", "no", "not"}


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return ``yes`` or ``no``."""
    words = given.split(".")[0].replace(",", "").split(" ")
    return "yes" if NEGATIONS.isdisjoint(words) else "no"


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 if the answer is the true one, else 0.

    >>> [credit(given, ["no"]) for given in ("No, there is none", "There is not.", "NO", "Yes. Not that", "")]
    [1.0, 1.0, 0.0, 0.0, 0.0]
    """
    return float(parsed(given) in truths)

"""The letter of an option as LLaVA's release (1.2.2) reads it from an answer to ScienceQA.

A letter alone; a letter followed by a full stop and a space; or ``The answer is X`` with one more character behind it,
if it stands there once. Anything else is wrong, ``B.``, ``(B)`` and ``b`` included.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

TRUTHS = "letter"
FEWEST = 5  # letters that are read, however few options there are: one beyond the options is wrong
STATED = re.compile(r"The answer is ([A-Z]).")


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return the letter; empty if there is none."""
    letters = list(string.ascii_uppercase[: max(FEWEST, len(options))])
    if given in letters:
        return given
    if given[:1] in letters and given[1:3] == ". ":
        return given[0]
    stated = STATED.findall(given)
    return stated[0] if len(stated) == 1 else ""


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 if the letter is the true one, else 0.

    >>> [credit(given, ["B"]) for given in ("B", "B. mitosis", "The answer is B.", "B.", "b", "mitosis")]
    [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    return float(parsed(given, options) in truths)

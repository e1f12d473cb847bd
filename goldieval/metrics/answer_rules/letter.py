"""The letter of an option as LLaVA reads it from an answer to ScienceQA.

A letter alone; a letter followed by a full stop and a space; or the first ``The answer is X``. Anything else is wrong,
``B.``, ``(B)`` and ``b`` included. A line break counts as a full stop and a space.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

TRUTHS = "letter"
FEWEST = 5  # letters that are read, however few options there are: one beyond the options is wrong


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return the letter; empty if there is none."""
    letters = string.ascii_uppercase[: max(FEWEST, len(options))]
    line = given.replace("\n", ". ")
    if len(line.strip()) == 1 and line.strip() in letters:
        return line.strip()
    if line[:1] and line[0] in letters and line[1:3] == ". ":
        return line[0]
    stated = f"The answer is ([{letters}])"
    found = re.search(rf"{stated}\.", line) or re.search(stated, line)
    return found.group(1) if found else ""


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 if the letter is the true one, else 0.

    >>> [credit(given, ["B"]) for given in ("B", "B. mitosis", "The answer is B.", "B.", "b", "mitosis")]
    [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    return float(parsed(given, options) in truths)

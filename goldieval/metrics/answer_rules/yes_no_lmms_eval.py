"""Yes or no as lmms-eval compares an answer to POPE: the whole answer, in lower case; any other is wrong."""

from __future__ import annotations

from collections.abc import Sequence

TRUTHS = "yes or no"


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return the answer in lower case; only ``yes`` and ``no`` can be right."""
    return given.lower().strip()


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 if the answer is the true one, else 0.

    >>> [credit(given, ["no"]) for given in ("No", "no.", "No, there is none")]
    [1.0, 0.0, 0.0]
    """
    return float(parsed(given) in truths)

"""Equality in lower case, without surrounding white space."""

from __future__ import annotations

from collections.abc import Sequence

TRUTHS = "any"


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return an answer in lower case without surrounding white space."""
    return given.strip().lower()


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 for an answer that equals a true one, else 0.

    >>> credit(" Red\\n", ["red"]), credit("red.", ["red"])
    (1.0, 0.0)
    """
    return float(any(parsed(given) == parsed(truth) for truth in truths))

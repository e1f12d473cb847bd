"""Yes or no as MME's own evaluation reads it: from the first four characters, in lower case.

They only have to contain the word: ``nope`` and ``know`` are ``no``, ``eyes`` is ``yes``. Anything else is ``other``,
which is wrong for both answers.
"""

from __future__ import annotations

from collections.abc import Sequence

TRUTHS = "yes and no"
READ = 4


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return ``yes``, ``no`` or ``other``."""
    start = given.lower()[:READ]
    return next((word for word in ("yes", "no") if word in start), "other")


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 if the answer is the true one, else 0.

    >>> [parsed(given) for given in ("Yes, it is", "No.", "not yes", "I know", "maybe no", "")]
    ['yes', 'no', 'no', 'other', 'other', 'other']
    """
    return float(parsed(given) in truths)

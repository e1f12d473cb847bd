"""Yes or no as lmms-eval reads it from an answer to MME.

It differs from the benchmark's own evaluation in that full stops and surrounding white space do not count, and that
``y`` and ``n`` alone are answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.metrics.answer_rules import mme

TRUTHS = "yes and no"
SHORT = {"y": "yes", "n": "no"}


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return ``yes``, ``no`` or ``other``."""
    bare = given.lower().strip().replace(".", "")
    return SHORT.get(bare) or mme.parsed(bare)


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return 1 if the answer is the true one, else 0.

    >>> [parsed(given) for given in ("Y.", "...yes", "n", "maybe")]
    ['yes', 'yes', 'no', 'other']
    """
    return float(parsed(given) in truths)

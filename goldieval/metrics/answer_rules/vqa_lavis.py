"""VQA accuracy by the official evaluation in the state of which LAVIS (1.0.2) has a copy.

The answer is normalised always. Those of annotators only lose their punctuation, and only where annotators disagree, so
that an article or a number word of an annotator never matches.
"""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.metrics.annotators import agreement_credit
from goldieval.metrics.answer_text import official_form, without_punctuation

TRUTHS = "annotators"


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return the normal form of an answer."""
    return official_form(given)


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return the credit of an answer.

    >>> credit("Red.", ["red"] * 10), credit("two", ["two"] * 9 + ["2"])
    (1.0, 0.3)
    """
    compared = [without_punctuation(truth) for truth in truths] if len(set(truths)) > 1 else truths
    return agreement_credit(official_form(given), compared)

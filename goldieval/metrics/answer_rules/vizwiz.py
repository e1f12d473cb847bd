"""VQA accuracy by VizWiz' own evaluation: the answer is normalised, those of the annotators are taken as they are.

``unanswerable`` and ``unsuitable`` are answers like any other.
"""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.metrics.annotators import agreement_credit
from goldieval.metrics.answer_text import official_form

TRUTHS = "annotators"


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return the normal form of an answer."""
    return official_form(given)


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return the credit of an answer.

    >>> credit("Unanswerable", ["unanswerable"] * 10), credit("coca-cola", ["coca-cola"] * 10)
    (1.0, 0.0)
    """
    return agreement_credit(official_form(given), truths)

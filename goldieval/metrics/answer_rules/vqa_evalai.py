"""VQA accuracy with every answer cleaned, the annotators' as well, as LLaVA and lmms-eval judge TextVQA.

lmms-eval judges VizWiz in the same way; that benchmark's own evaluation is the rule ``vizwiz``.
"""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.metrics.annotators import agreement_credit
from goldieval.metrics.answer_text import submitted_form

TRUTHS = "annotators"


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return an answer without punctuation, articles and number words."""
    return submitted_form(given)


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return the credit of an answer.

    >>> credit("The Coca-Cola!", ["coca-cola"] * 10), credit("two", ["2"] * 10)
    (1.0, 1.0)
    """
    return agreement_credit(submitted_form(given), [submitted_form(truth) for truth in truths])

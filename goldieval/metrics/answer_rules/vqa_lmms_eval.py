"""VQA accuracy with every answer normalised, that of annotators who agree as well, as lmms-eval (0.7.3) judges VQAv2.

Version 0.2 of lmms-eval followed the official evaluation, see the rule ``vqa-submitted``. OpenFlamingo judges in this
way, too.
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

    >>> credit("Two", ["two"] * 10), credit("2", ["two dogs"] * 10)
    (1.0, 0.0)
    """
    return agreement_credit(official_form(given), [official_form(truth) for truth in truths])

"""VQA accuracy of a submission of LLaVA: the answer is cleaned, then judged by the official evaluation.

LLaVA's published numbers on VQAv2 come about in this way, and so did those of lmms-eval 0.2 (now: ``vqa-lmms-eval``).
Where all annotators gave the same answer and it has a number word, an article or punctuation, the cleaned answer cannot
be right.
"""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.metrics.answer_rules import vqa
from goldieval.metrics.answer_text import submitted_form

TRUTHS = "annotators"


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return an answer as it is submitted."""
    return submitted_form(given)


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return the credit of an answer.

    >>> credit("Yes.", ["yes"] * 10), credit("two", ["two"] * 10)
    (1.0, 0.0)
    """
    return vqa.credit(submitted_form(given), truths)

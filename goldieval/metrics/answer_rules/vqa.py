"""VQA accuracy by the official evaluation: answers are normalised only where annotators disagree.

Where all annotators gave the same answer, an answer must equal it to the letter: ``Two`` is wrong where all wrote
``two``. Version 0.2 of lmms-eval has a copy of this state of the evaluation, which it applied to VQAv2 after a clean-up
of its own (rule ``vqa-submitted``). Another state of it is the rule ``vqa-lavis``.
"""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.metrics.annotators import agreement_credit
from goldieval.metrics.answer_text import official_form, one_line

TRUTHS = "annotators"


def parsed(given: str, options: Sequence[str] = ()) -> str:
    """Return the normal form of an answer."""
    return official_form(given)


def credit(given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    """Return the credit of an answer.

    >>> credit("Two", ["two"] * 10), credit("Two", ["two"] * 9 + ["2 dogs"])
    (0.0, 1.0)
    """
    lines = [one_line(truth) for truth in truths]
    if len(set(lines)) == 1:
        return agreement_credit(one_line(given), lines)
    return agreement_credit(official_form(given), [official_form(line) for line in lines])

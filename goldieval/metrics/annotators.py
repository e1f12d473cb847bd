"""The credit that an answer earns from several annotators, as VQA defines it."""

from __future__ import annotations

from collections.abc import Sequence

ENOUGH = 3  # an answer that as many annotators gave is right


def agreement_credit(given: str, truths: Sequence[str]) -> float:
    """Return the mean over annotators of min(1, others who gave the answer / 3).

    An annotator's own answer does not count where that annotator is left out, so that machines are judged like people.

    Args:
        given: an answer in its normal form.
        truths: one answer per annotator, in the form in which they are compared.

    >>> [round(agreement_credit("red", ["red"] * same + ["blue"] * (10 - same)), 2) for same in range(5)]
    [0.0, 0.3, 0.6, 0.9, 1.0]
    """
    same = sum(truth == given for truth in truths)
    others = same * min(ENOUGH, same - 1) + (len(truths) - same) * min(ENOUGH, same) if same else 0
    return others / (ENOUGH * len(truths))

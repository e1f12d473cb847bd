"""Who leads a column of the field, and which models cannot be told from the leader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from goldieval.report.field.numbers import FieldColumn, FieldNumber

LEVEL = 0.05


@dataclass(frozen=True)
class Lead:
    """The leader of a column.

    Attributes:
        leader: the best number.
        rivals: the other numbers that are compared with it, the best first.
        inseparable: those that are not significantly worse.
        untested: those whose difference cannot be tested, for lack of an interval.
    """

    leader: FieldNumber
    rivals: Sequence[FieldNumber]
    inseparable: Sequence[FieldNumber]
    untested: Sequence[FieldNumber]


@lru_cache(maxsize=4096)
def quantile(rivals: int) -> float:
    """Return how many standard errors a difference needs at 5 %, divided by the number of rivals (Bonferroni)."""
    return NormalDist().inv_cdf(1 - LEVEL / (2 * max(rivals, 1)))


def lead_of(column: FieldColumn) -> Lead | None:
    """Return the leader of a column with at least two models; None for fewer.

    Scores are taken as independent, although models see the same samples: a paired test, which needs outcomes of each
    sample, separates smaller differences.
    """
    compared = [number for number in column.numbers if number.compared]
    if len(compared) < 2:
        return None
    leader, rivals = compared[0], compared[1:]
    untested = [rival for rival in rivals if leader.error is None or rival.error is None]
    tested = [rival for rival in rivals if leader.error is not None and rival.error is not None]
    limit = quantile(len(tested))
    same = [each for each in tested if not _separable(leader, each, limit)]
    return Lead(leader, rivals, same, untested)


def _separable(a: FieldNumber, b: FieldNumber, limit: float) -> bool:
    error = math.hypot(a.error or 0.0, b.error or 0.0)
    return abs(a.value - b.value) > limit * error

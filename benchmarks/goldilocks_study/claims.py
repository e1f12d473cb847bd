"""Verdicts on the claims of the study ``goldilocks``: differences of rows, t tests over seeds, p adjusted by Holm.

The sample is the seeds; their standard deviation is pooled over all rows of a column. All tests of all claims that have
runs are one family. A column is

- ``at_least``: met where the difference reaches the target and is significantly above 0 (5 %); not separable where it is
  not significantly different from 0 and the target lies within its 95 % interval or below; missed otherwise;
- ``not_lower``: met where the difference is not below 0; missed where it is significantly below; else not separable;
- ``within``: met where two one-sided tests place the difference within the target on either side; missed where its whole
  interval lies outside; else not separable;
- ``report``: higher, lower or not separable, as it is.

A claim about several columns is met where as many as it needs are met, missed where that is no longer possible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from scipy.stats import t as student

from goldieval.metrics.pooled import half_width
from goldieval.metrics.pvalues import holm
from goldilocks_study.plan_types import Claim
from goldilocks_study.scores import Scores

LEVEL = 0.05
MET, MISSED, NOT_SEPARABLE, NO_RUNS = "met", "missed", "not separable", "no runs yet"


@dataclass(frozen=True)
class Comparison:
    """A claim in one column.

    Attributes:
        claim: the claim.
        column: the column.
        difference: in points.
        half: half of its 95 % interval.
        p: p-value, not adjusted.
    """

    claim: Claim
    column: str
    difference: float
    half: float
    p: float


@dataclass(frozen=True)
class Verdict:
    """A line of the table of verdicts.

    Attributes:
        test: the test; None where a row has no runs.
        column: the column.
        p: p-value adjusted by Holm; NaN without a test.
        verdict: what it comes to.
    """

    test: Comparison | None
    column: str
    p: float
    verdict: str


def verdicts(claims: Sequence[Claim], scores: Scores) -> list[tuple[Claim, list[Verdict], str]]:
    """Return each claim with the verdicts of its columns, and that of the whole."""
    tests = {
        (place, column): _test(claim, column, scores) for place, claim in enumerate(claims) for column in claim.columns
    }
    made = {key: test.p for key, test in tests.items() if test is not None and not math.isnan(test.p)}
    adjusted = dict(zip(made, holm(list(made.values())), strict=True))
    lines = []
    for place, claim in enumerate(claims):
        own = [
            _verdict(tests[place, column], column, adjusted.get((place, column), math.nan)) for column in claim.columns
        ]
        lines.append((claim, own, _whole(claim, [each.verdict for each in own])))
    return lines


def _test(claim: Claim, column: str, scores: Scores) -> Comparison | None:
    plus = [list(scores.of(row, column).values()) for row in claim.plus]
    minus = [list(scores.of(row, column).values()) for row in claim.minus]
    if not all([*plus, *minus]):
        return None
    deviation, freedom = scores.deviation(column)
    difference = sum(map(fmean, plus)) - sum(map(fmean, minus))
    share = sum(1 / len(seeds) for seeds in [*plus, *minus])
    error = deviation * math.sqrt(share)
    half = half_width(deviation, freedom, share)
    if claim.kind == "within":
        distance = claim.target - abs(difference)  # the larger p of both one-sided tests is that of the nearer bound
        return Comparison(claim, column, difference, half, _tail(distance, error, freedom))
    return Comparison(claim, column, difference, half, 2 * _tail(abs(difference), error, freedom))


def _tail(distance: float, error: float, freedom: int) -> float:
    """Return the probability of a larger t than ``distance / error``; NaN where there is no estimate of the error."""
    if not freedom:
        return math.nan
    if not error:
        return 0.0 if distance > 0 else 0.5
    return float(student.sf(distance / error, freedom))


def _verdict(test: Comparison | None, column: str, p: float) -> Verdict:
    if test is None:
        return Verdict(None, column, math.nan, NO_RUNS)
    if math.isnan(p):
        return Verdict(test, column, p, NOT_SEPARABLE)
    return Verdict(test, column, p, _JUDGED[test.claim.kind](test, p < LEVEL))


def _at_least(test: Comparison, separable: bool) -> str:
    if separable and test.difference > 0 and test.difference >= test.claim.target:
        return MET
    within_reach = test.difference + test.half >= test.claim.target
    return NOT_SEPARABLE if not separable and within_reach else MISSED


def _not_lower(test: Comparison, separable: bool) -> str:
    if test.difference >= 0:
        return MET
    return MISSED if separable else NOT_SEPARABLE


def _within(test: Comparison, separable: bool) -> str:
    if separable:
        return MET
    return MISSED if abs(test.difference) - test.half > test.claim.target else NOT_SEPARABLE


def _report(test: Comparison, separable: bool) -> str:
    if not separable:
        return NOT_SEPARABLE
    return "higher" if test.difference > 0 else "lower"


_JUDGED = {"at_least": _at_least, "not_lower": _not_lower, "within": _within, "report": _report}


def _whole(claim: Claim, parts: Sequence[str]) -> str:
    """Return the verdict of a claim from those of its columns."""
    need = claim.need or len(parts)
    if NO_RUNS in parts:
        return NO_RUNS
    if claim.kind == "report":
        return ", ".join(dict.fromkeys(parts))
    if parts.count(MET) >= need:
        return MET
    return MISSED if parts.count(MISSED) > len(parts) - need else NOT_SEPARABLE

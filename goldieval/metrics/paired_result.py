"""The result of a paired test: two scores, the interval of their difference, and its p-value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from goldieval.metrics.effective import Ends, Spread
from goldieval.metrics.intervals import ROUNDING, few
from goldieval.metrics.minimum_detectable_difference import fewest_differing, mdd_by_mcnemar, mdd_by_tails
from goldieval.metrics.pvalues import bootstrap_p, swap_p
from goldieval.metrics.tails import Tail, bootstrap_tail, swap_tail

LEVEL = 0.05


@dataclass(frozen=True)
class Paired:
    """Two scores on the same samples, their difference B - A with its 95 % interval, and its p-value.

    Attributes:
        a: score of A.
        b: score of B.
        low: lower end of the interval of the difference; None where no interval holds.
        high: upper end.
        p: two-sided p-value of this test alone; ``holm`` adjusts several.
        standard_error: of the difference.
        gains: number of queries on which the value of B is higher.
        losses: number of queries on which it is lower.
        n: number of queries.
        clusters: number of independent units among them.
        method: name of the test.
        unreliable: why the interval may not hold, or why there is none; else empty.
        exchange: p of differences of any size when models are exchanged; None for McNemar's exact test.
        bootstrap: the same of the bootstrap, where the test has one.
    """

    a: float
    b: float
    low: float | None
    high: float | None
    p: float
    standard_error: float
    gains: int
    losses: int
    n: int
    clusters: int
    method: str
    unreliable: str = ""
    exchange: Tail | None = field(default=None, repr=False)
    bootstrap: Tail | None = field(default=None, repr=False)

    @property
    def difference(self) -> float:
        return self.b - self.a

    def scaled(self, factor: float) -> Paired:
        """Return the same comparison of scores that are a multiple of these."""
        ends = [None if end is None else factor * end for end in (self.low, self.high)]
        tails = [None if tail is None else tail.scaled(factor) for tail in (self.exchange, self.bootstrap)]
        return replace(
            self,
            a=factor * self.a,
            b=factor * self.b,
            low=ends[0],
            high=ends[1],
            standard_error=factor * self.standard_error,
            exchange=tails[0],
            bootstrap=tails[1],
        )

    def minimum_detectable_difference(self, level: float = LEVEL) -> float:
        """Return the smallest difference that this test detects with 80 % power, on samples like these."""
        if self.exchange is None:
            return mdd_by_mcnemar(self.gains + self.losses, self.n, level)
        least = fewest_differing(level) / self.n  # no test can detect a difference of fewer queries than these
        found = mdd_by_tails(self.exchange, self.bootstrap, self.standard_error, self.difference, level)
        return max(found, least)


def drawn_result(
    a: np.ndarray,
    b: np.ndarray,
    scores: tuple[float, float],
    draws: np.ndarray,
    swaps: np.ndarray,
    test: str,
    spread: Spread,
    ends: Ends | None,
    clusters: int,
) -> Paired:
    """Return the result of a test by drawing.

    Args:
        a: one outcome of A per query.
        b: one outcome of B per query.
        scores: of A and of B.
        draws: differences of the bootstrap, (draws,).
        swaps: differences of exchanged models, (draws,).
        test: its name.
        spread: variance of the difference.
        ends: interval of the difference, if there is one.
        clusters: number of independent units.
    """
    difference = float(scores[1] - scores[0])
    p = max(bootstrap_p(draws), swap_p(swaps, difference))
    found = paired_result(a, b, scores, p, test, spread, ends, clusters)
    return replace(found, exchange=swap_tail(swaps), bootstrap=bootstrap_tail(draws, difference))


def paired_result(
    a: np.ndarray,
    b: np.ndarray,
    scores: tuple[float, float],
    p: float,
    test: str,
    spread: Spread,
    ends: Ends | None,
    clusters: int,
) -> Paired:
    """Return the result of a test; the interval of a difference that is not significant includes 0.

    Args:
        a: one outcome of A per query.
        b: one outcome of B per query.
        scores: of A and of B.
        p: two-sided p-value.
        test: its name.
        spread: variance of the difference.
        ends: interval of the difference, if there is one.
        clusters: number of independent units.
    """
    low, high = ends or (None, None)
    if low is not None and high is not None and p > LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    return Paired(
        a=float(scores[0]),
        b=float(scores[1]),
        low=low,
        high=high,
        p=p,
        standard_error=float(np.sqrt(spread.variance)),
        gains=int((b > a + ROUNDING).sum()),
        losses=int((b < a - ROUNDING).sum()),
        n=len(a),
        clusters=clusters,
        method=test,
        unreliable=few(clusters, "independent units"),
    )

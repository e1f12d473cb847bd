"""Minimum detectable difference (mdd): the smallest true difference that a test detects with 80 % power."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, ndtr
from scipy.stats import binom, chi2
from scipy.stats import t as student

from goldieval.metrics.effective import Z95
from goldieval.metrics.intervals import ROUNDING, Z80
from goldieval.metrics.tails import Tail

POWER = 0.80


def mdd_by_tails(
    exchange: Tail, bootstrap: Tail | None, standard_error: float, observed: float, level: float = 0.05
) -> float:
    """Return the mdd of a test by drawing.

    The test rejects where all of its tails do. A measured difference is the true one plus a nearly normal error, so
    that it exceeds the critical value in 80 % of comparisons where the true one exceeds it by Z80 standard errors.
    Critical values are taken from the test's own distributions: these are discrete and drawn, so that the larger of two
    p-values requires more than either alone. The distribution of exchanged models is wider by the observed difference
    itself; for a smaller true difference that part is reduced in proportion.

    Args:
        exchange: tail of exchanging the two models.
        bootstrap: tail of the bootstrap, where the test has one.
        standard_error: of the difference.
        observed: the difference as measured.
        level: of the test.
    """
    wide = exchange.mean_square
    own = min(standard_error**2, wide)
    asked = exchange.critical(level) / np.sqrt(wide) if wide else 0.0
    floor = bootstrap.critical(level) if bootstrap else 0.0

    def lacking(true: float) -> float:
        part = min(1.0, true / abs(observed)) if observed else 1.0
        needed = max(asked * np.sqrt(own + (wide - own) * part**2), floor)
        return float(needed + Z80 * standard_error - true)

    most = lacking(0.0) + lacking(abs(observed)) + abs(observed)  # beyond the root: nothing asks for more than both
    return float(brentq(lacking, 0.0, most)) if most else 0.0


def mdd_by_student(standard_error: float, freedom: float, level: float = 0.05) -> float:
    """Return the mdd of a t test.

    Power is that of the noncentral t distribution, over all standard errors that might have been estimated. The
    estimate at hand is corrected for its bias (the constant c4 of quality control charts).

    Args:
        standard_error: of the difference, as estimated.
        freedom: degrees of freedom that it was estimated with.
        level: of the test.

    >>> round(mdd_by_student(1.0, 1e6), 3), round(mdd_by_student(1.0, 4), 3)
    (2.802, 4.001)
    """
    critical = float(student.isf(level / 2, freedom))
    estimates = np.sqrt(chi2.ppf((np.arange(1000) + 0.5) / 1000, freedom) / freedom)  # in units of the true one

    def power(true: float) -> float:
        return float(ndtr(true - critical * estimates).mean())

    needed = float(brentq(lambda true: power(true) - POWER, 0.0, critical * estimates[-1] + 2 * Z95))
    short = np.sqrt(2 / freedom) * np.exp(gammaln((freedom + 1) / 2) - gammaln(freedom / 2))
    return needed * standard_error / float(short)


def mdd_by_mcnemar(discordant: int, n: int, level: float = 0.05) -> float:
    """Return the mdd of McNemar's exact test, from its own power.

    Fewer than 6 differing queries (at 5 %) can never be significant; the mdd is then that of 6.

    Args:
        discordant: queries on which the two models differ.
        n: all queries.
        level: of the test.

    >>> round(mdd_by_mcnemar(100, 1000), 4), round(mdd_by_mcnemar(2, 1000), 4)
    (0.029, 0.0056)
    """
    count = max(discordant, fewest_differing(level))
    critical = _critical(count, level)
    power = partial(_power, count, critical)
    lead = 1.0 if power(1.0) <= POWER else brentq(lambda share: power(share) - POWER, 0.5, 1.0)
    return (2 * float(lead) - 1) * count / n


def fewest_differing(level: float) -> int:
    """Return the number of differing queries, all in favour of one side, from which an exact test rejects."""
    return int(np.ceil(np.log2(2 / level) - ROUNDING))


def _critical(count: int, level: float) -> int:
    """Return how many of ``count`` differing queries must favour B for a two-sided exact p of at most ``level``."""
    least = int(binom.isf(level / 2, count, 0.5))
    return next(k for k in range(max(least - 1, 0), count + 2) if binom.sf(k - 1, count, 0.5) <= level / 2)


def _power(count: int, critical: int, share: float) -> float:
    return float(binom.sf(critical - 1, count, share) + binom.cdf(count - critical, count, share))

"""The smallest difference that a paired test sees with 80 % power."""

from __future__ import annotations

from functools import partial
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

from goldieval.metrics.intervals import ROUNDING, Z80

POWER = 0.80


def smallest_difference(standard_error: float, level: float = 0.05) -> float:
    """Smallest difference that a two-sided test at this level sees with 80 % power, by the normal approximation."""
    return (NormalDist().inv_cdf(1 - level / 2) + Z80) * standard_error


def smallest_by_mcnemar(discordant: int, n: int, level: float = 0.05) -> float:
    """The same for exact McNemar, from its own power where ``discordant`` of ``n`` queries differ.

    Fewer than 6 such queries (at 5 %) cannot be judged, whichever side they are for: then of 6.

    >>> round(smallest_by_mcnemar(100, 1000), 4), round(smallest_by_mcnemar(2, 1000), 4)
    (0.029, 0.0056)
    """
    count = max(discordant, fewest_differing(level))
    critical = _critical(count, level)
    power = partial(_power, count, critical)
    lead = 1.0 if power(1.0) <= POWER else brentq(lambda share: power(share) - POWER, 0.5, 1.0)
    return (2 * float(lead) - 1) * count / n


def fewest_differing(level: float) -> int:
    """Fewest differing queries, all for one side, that an exact test at this level notices."""
    return int(np.ceil(np.log2(2 / level) - ROUNDING))


def _critical(count: int, level: float) -> int:
    """Fewest of ``count`` differing queries that must be B's for a two-sided exact p of at most ``level``."""
    least = int(binom.isf(level / 2, count, 0.5))
    return next(k for k in range(max(least - 1, 0), count + 2) if binom.sf(k - 1, count, 0.5) <= level / 2)


def _power(count: int, critical: int, share: float) -> float:
    return float(binom.sf(critical - 1, count, share) + binom.cdf(count - critical, count, share))

"""Averages of scores of several tasks: value, variance and interval from those of the members.

Members of different data are independent. Where two scores are of the same images, such as recall in both directions,
their correlation comes from the influence of each image on both (see ``influence``); where that is not known, they are
taken as fully dependent, which gives the widest interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np

from goldieval.core.errors import listing
from goldieval.metrics.draws import swapped_sums
from goldieval.metrics.effective import SURE, Z95, Spread, share_ends
from goldieval.metrics.intervals import Interval
from goldieval.metrics.paired import RESAMPLES
from goldieval.metrics.paired_result import LEVEL, Paired
from goldieval.metrics.pvalues import swap_p
from goldieval.metrics.tails import swap_tail

DOUBTFUL = 0.1  # share of the variance from which a member's unreliable interval makes that of the average unreliable
NEARLY_NORMAL = 2000  # differing images from which the sum of their exchanged differences is drawn as a normal number
Influence = Mapping[str, float]
"""Influence of each image on a score, by the name of the image."""


@dataclass(frozen=True)
class MemberScore:
    """One score in an average.

    Attributes:
        name: task and metric, for messages.
        share: what it contributes; the shares of an average add up to 1.
        value: the score, a fraction.
        error: its standard error; None without an interval.
        units: number of independent outcomes that it is from.
        data: name of the data; scores of other data are independent.
        influence: influence of each image on the score; None if it is not known.
        unreliable: why its interval may not hold; empty if it does.
    """

    name: str
    share: float
    value: float
    error: float | None
    units: int
    data: str
    influence: Influence | None = None
    unreliable: str = ""


def average(members: Sequence[MemberScore], count: int) -> Interval:
    """Return the average with its 95 % interval, that of a share with the effective number of outcomes.

    Args:
        members: the scores.
        count: number of members of the average, which may have several scores each.
    """
    value = fsum(member.share * member.value for member in members)
    lacking = [member.name for member in members if member.error is None]
    if lacking:
        reason = f"{listing(lacking)} has no interval"
        return Interval(value, None, None, count, count, "none", reason)
    variance, method = variance_of(members)
    low, high = share_ends(value, Spread(variance, np.inf, min(member.units for member in members)))
    return Interval(value, low, high, count, count, method, _doubt(members, variance))


def variance_of(members: Sequence[MemberScore]) -> tuple[float, str]:
    """Return the variance of an average, and how it was obtained, in words.

    Args:
        members: scores with their errors.
    """
    by_data: dict[str, list[MemberScore]] = {}
    for member in members:
        by_data.setdefault(member.data, []).append(member)
    shared = [group for group in by_data.values() if len(group) > 1]
    total = fsum(_variance(group) for group in by_data.values())
    if not shared:
        return total, "members independent"
    unknown = any(member.influence is None for group in shared for member in group)
    how = "taken as fully dependent" if unknown else "joint by image"
    return total, f"members independent, scores of the same images {how}"


def _variance(group: Sequence[MemberScore]) -> float:
    errors = np.array([member.share * (member.error or 0.0) for member in group])
    if len(group) == 1:
        return float(errors[0] ** 2)
    influences = [member.influence for member in group]
    known = [influence for influence in influences if influence is not None]
    if len(known) < len(group):
        return float(errors.sum() ** 2)
    return float(errors @ correlations(known) @ errors)


def correlations(influences: Sequence[Influence]) -> np.ndarray:
    """Return the correlation of scores of the same images, (scores, scores).

    Args:
        influences: influence of each image on each score.

    >>> correlations([{"a": 1.0, "b": -1.0}, {"a": 1.0, "b": -1.0, "c": 0.0}, {"d": 2.0}]).round(9).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    columns = stacked(influences)
    lengths = np.linalg.norm(columns, axis=0)
    unit = columns / np.where(lengths > 0, lengths, 1.0)
    result: np.ndarray = unit.T @ unit
    np.fill_diagonal(result, 1.0)
    return result


def stacked(influences: Sequence[Influence]) -> np.ndarray:
    """Return influences as a matrix, (images, scores); an image that a score does not have has none on it."""
    rows = {name: row for row, name in enumerate(dict.fromkeys(name for each in influences for name in each))}
    matrix = np.zeros((len(rows), len(influences)))
    for column, influence in enumerate(influences):
        matrix[[rows[name] for name in influence], column] = list(influence.values())
    return matrix


def _doubt(members: Sequence[MemberScore], variance: float) -> str:
    """Return why the interval of an average may not hold: members whose own may not give much of its variance."""
    doubtful = [member for member in members if member.unreliable]
    part = sum((member.share * (member.error or 0.0)) ** 2 for member in doubtful)
    if not doubtful or part < DOUBTFUL * variance:
        return ""
    return f"the intervals of {listing([member.name for member in doubtful])} may not hold"


def paired_average(
    scores: tuple[float, float],
    moved: np.ndarray,
    contributions: np.ndarray,
    unpaired: float,
    gains: tuple[int, int],
    n: int,
) -> Paired:
    """Compare two models by an average of scores on the same images.

    The variance of the difference is the sum of the squared influences of all images of all members. The p-value is
    the larger one of Student's test and of exchanging the two models at random image by image.

    Args:
        scores: the averages of A and of B.
        moved: influence of each image on the difference of the averages, (images,).
        contributions: part of each image in that difference, (images,).
        unpaired: variance of the difference by scores without outcomes, which are taken as independent.
        gains: number of queries on which B is better, and on which it is worse.
        n: number of queries.
    """
    from scipy.stats import t as student  # slow to import

    difference, count = scores[1] - scores[0], len(moved)
    squares = float((moved**2).sum())
    paired = squares * count / max(count - 1, 1)
    error = float(np.sqrt(paired + unpaired))
    freedom = _freedom(moved, squares) * ((paired + unpaired) / paired) ** 2 if paired else SURE
    swaps = _swaps(contributions, unpaired)
    p = max(float(2 * student.sf(abs(difference) / error, freedom)) if error else 1.0, swap_p(swaps, difference))
    half = float(student.ppf(0.975, freedom)) * error
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    if p > LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    tail = swap_tail(swaps)
    return Paired(*scores, low, high, p, error, *gains, n, count, "paired test of the average", exchange=tail)


def _freedom(moved: np.ndarray, squares: float) -> float:
    """Return the degrees of freedom of a variance: a few influential images count as few."""
    if not squares:
        return max(len(moved) - 1.0, 1.0)
    kurtosis = len(moved) * float((moved**4).sum()) / squares**2
    return max(1.0, min(len(moved) - 1.0, 2 * len(moved) / max(kurtosis - 1, 1e-9)))


def _swaps(contributions: np.ndarray, unpaired: float) -> np.ndarray:
    """Return differences of models that are exchanged at random image by image, (draws,)."""
    differing = contributions[contributions != 0]
    generator = np.random.Generator(np.random.PCG64(1))
    if len(differing) <= NEARLY_NORMAL:
        drawn = swapped_sums(differing[:, None], RESAMPLES)[:, 0]
    else:
        drawn = generator.normal(scale=float(np.linalg.norm(differing)), size=RESAMPLES)
    return drawn + generator.normal(scale=float(np.sqrt(unpaired)), size=RESAMPLES) if unpaired else drawn


def standard_error(low: float | None, high: float | None) -> float | None:
    """Return the standard error of a score from its 95 % interval; None without one."""
    return None if low is None or high is None else (high - low) / (2 * Z95)

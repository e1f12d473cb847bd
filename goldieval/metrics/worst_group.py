"""The lowest share of hits among groups: its interval and its paired test.

The lowest of several estimates lies below the lowest of their true values: chance picks the group with bad luck. The
interval does not follow the estimate. Its lower end is the lowest of the groups' lower bounds; its upper end the lowest
upper bound, at a level that is divided among the groups that may be the lowest. ``expected_bias`` says how large the
difference is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from goldieval.metrics.draws import blocks
from goldieval.metrics.effective import SURE, Spread, wilson_ends
from goldieval.metrics.intervals import Interval, few
from goldieval.metrics.paired import BOOTSTRAP, RESAMPLES
from goldieval.metrics.paired_result import Paired, drawn_result

APART = 3.5  # standard errors by which the bounds of two groups must differ for one of them not to be the lowest
LEVEL = 0.025  # at each end
_KINDS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=float)  # of images: hit by A, hit by B


@dataclass(frozen=True)
class _Groups:
    """Number of images and of hits in each group, (groups,)."""

    sizes: np.ndarray
    hits: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        shares: np.ndarray = self.hits / self.sizes
        return shares

    def bounds(self, z: float) -> np.ndarray:
        """Return Wilson's bounds of each share, (groups, 2)."""
        return np.array([wilson_ends(s, n, z) for s, n in zip(self.shares, self.sizes, strict=True)])


def _groups(hits: np.ndarray, groups: np.ndarray) -> _Groups:
    which = np.unique(groups, return_inverse=True)[1]
    return _Groups(np.bincount(which), np.bincount(which, hits))


def worst_group(hits: np.ndarray, groups: np.ndarray) -> float:
    """Return the lowest share of hits.

    Args:
        hits: 0 or 1, (images,).
        groups: group of each image, (images,).

    >>> worst_group(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 0, 1]))
    0.0
    """
    return float(_groups(hits, groups).shares.min())


def worst_group_interval(hits: np.ndarray, groups: np.ndarray) -> Interval:
    """Return the lowest share of hits with an interval of the lowest true share.

    Args:
        hits: 0 or 1, (images,).
        groups: group of each image, (images,).
    """
    found = _groups(hits, groups)
    value, count = float(found.shares.min()), _contenders(found)
    low = float(found.bounds(_quantile(LEVEL))[:, 0].min())
    high = float(found.bounds(_quantile(LEVEL / count))[:, 1].min())
    lowest = int(found.sizes[found.shares <= value].min())
    method = f"wilson of {len(found.sizes)} groups, {count} may be the lowest"
    doubt = few(lowest, "images in the group that decides")
    return Interval(value, min(low, value), max(high, value), len(hits), len(hits), method, doubt)


def _contenders(groups: _Groups) -> int:
    """Return the number of groups that may truly be the lowest."""
    bounds = groups.bounds(APART)
    return int((bounds[:, 0] <= bounds[:, 1].min()).sum())


def expected_bias(hits: np.ndarray, groups: np.ndarray, resamples: int = RESAMPLES) -> float:
    """Return by how much the lowest share is expected to lie below the lowest true share, by the bootstrap.

    Args:
        hits: 0 or 1, (images,).
        groups: group of each image, (images,).
        resamples: number of draws.
    """
    found = _groups(hits, groups)
    generator = np.random.Generator(np.random.PCG64(0))
    drawn = generator.binomial(found.sizes, found.shares, (resamples, len(found.sizes))) / found.sizes
    return max(0.0, float(found.shares.min() - drawn.min(axis=1).mean()))


def influence_of_worst_group(hits: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the influence of each image on the lowest share, (images,): 0 outside the lowest group.

    Args:
        hits: 0 or 1, (images,).
        groups: group of each image, (images,).
    """
    which = np.unique(groups, return_inverse=True)[1]
    found = _groups(hits, groups)
    lowest = int(found.shares.argmin())
    size = int(found.sizes[lowest])
    moved: np.ndarray = np.where(which == lowest, hits - found.shares[lowest], 0.0)
    moved *= math.sqrt(size / max(size - 1, 1)) / size
    return moved


def paired_worst_group(a: np.ndarray, b: np.ndarray, groups: np.ndarray, resamples: int = RESAMPLES) -> Paired:
    """Compare the lowest shares of two models by the paired bootstrap within groups.

    Args:
        a: hits of A, 0 or 1, (images,).
        b: hits of B.
        groups: group of each image, (images,).
        resamples: number of draws.
    """
    names, which = np.unique(groups, return_inverse=True)
    table = np.zeros((len(names), 4), dtype=np.int64)
    np.add.at(table, (which, (a + 2 * b).round().astype(int)), 1)
    sizes = table.sum(axis=1)
    scores = (table @ _KINDS / sizes[:, None]).min(axis=0)
    generator = np.random.Generator(np.random.PCG64(0))
    draws = np.empty(resamples)
    for rows in blocks(resamples, 4 * len(names)):
        drawn = generator.multinomial(sizes, table / sizes[:, None], (rows.stop - rows.start, len(names)))
        draws[rows] = _difference(drawn @ _KINDS, sizes)
    gained = generator.binomial(table[:, 1] + table[:, 2], 0.5, (resamples, len(names)))
    both = table[:, 3] + np.stack([gained, table[:, 1] + table[:, 2] - gained], axis=-1).transpose(2, 0, 1)
    swaps = _difference(both.transpose(1, 2, 0), sizes)
    spread = Spread(float(draws.var(ddof=1)), SURE, int(sizes.min()))
    difference = float(scores[1] - scores[0])
    half = _quantile(LEVEL) * float(np.sqrt(spread.variance))
    ends = max(-1.0, difference - half), min(1.0, difference + half)
    test = f"{BOOTSTRAP} within groups"
    return drawn_result(a, b, (float(scores[0]), float(scores[1])), draws, swaps, test, spread, ends, len(a))


def _difference(hits: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the lowest share of B less that of A, (draws,), from hits, (draws, groups, 2)."""
    lowest = (hits / sizes[:, None]).min(axis=1)
    difference: np.ndarray = lowest[:, 1] - lowest[:, 0]
    return difference


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf(1 - level)

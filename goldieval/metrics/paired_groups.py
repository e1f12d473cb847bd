"""Paired comparison of means over groups of queries, where queries of several groups may belong to one cluster."""

from __future__ import annotations

import numpy as np

from goldieval.metrics.draws import drawn_sums, swapped_sums
from goldieval.metrics.effective import Spread, difference_ends, jackknife
from goldieval.metrics.paired import BOOTSTRAP
from goldieval.metrics.paired_result import Paired, drawn_result

RESAMPLES = 4_000


def paired_mean_of_groups(
    a: np.ndarray, b: np.ndarray, groups: np.ndarray, clusters: np.ndarray, resamples: int = RESAMPLES
) -> Paired:
    """Compare means over groups of the share of hits by the paired cluster bootstrap.

    Args:
        a: hits of A in 0..1, (queries,).
        b: hits of B.
        groups: group of each query, (queries,).
        clusters: cluster of each query, (queries,); one may contain queries of several groups.
        resamples: number of draws.
    """
    names, group = np.unique(groups, return_inverse=True)
    which = np.unique(clusters, return_inverse=True)[1]
    sums = np.zeros((3, int(which.max()) + 1, len(names)))
    for column, values in zip(sums, (a, b, np.ones(len(a))), strict=True):
        np.add.at(column, (which, group), values)
    side_a, side_b, sizes = sums
    total, moved = sizes.sum(axis=0), side_b - side_a
    scores = tuple(float((side.sum(axis=0) / total).mean()) for side in (side_a, side_b))
    drawn = drawn_sums(np.hstack([moved, sizes]), resamples)
    draws = _mean_of_shares(drawn[:, : len(names)], drawn[:, len(names) :], moved.sum(axis=0) / total)
    swaps = (swapped_sums(moved, resamples) / total).mean(axis=1)
    left = _mean_of_shares(moved.sum(axis=0) - moved, total - sizes, moved.sum(axis=0) / total)
    spread = jackknife(left) if len(sizes) > 1 else Spread(0.0, 1.0, 1)
    weight = 1 / (total * len(names))
    ends = difference_ends(scores[1] - scores[0], float(weight[group] @ (b - a) ** 2), spread)
    return drawn_result(
        a, b, (scores[0], scores[1]), draws, swaps, f"{BOOTSTRAP}, mean of groups", spread, ends, len(sizes)
    )


def _mean_of_shares(sums: np.ndarray, sizes: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the mean over groups of sums over sizes, (draws,); a group of which a draw has nothing keeps its share.

    Args:
        sums: (draws, groups).
        sizes: (draws, groups).
        whole: share of each group in all queries, (groups,).
    """
    shares = np.divide(sums, sizes, out=np.broadcast_to(whole, sums.shape).copy(), where=sizes > 0)
    means: np.ndarray = shares.mean(axis=1)
    return means

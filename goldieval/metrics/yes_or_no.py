"""Scores of answers with yes or no, from the table of right and wrong ones: precision, recall, F1, share of yes.

An answer that is neither counts as one that is not yes. A ratio whose denominator is 0 is 0, for example the precision
of a model that never says yes.
"""

from __future__ import annotations

import numpy as np

from goldieval.metrics.paired import Statistic

CELLS = 4  # yes and right, yes and wrong, not yes and wrong, not yes and right
SCORES = ("precision", "recall", "f1", "yes_rate")


def table(says_yes: np.ndarray, is_yes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the cell of each answer, (queries, CELLS x groups), 1 in one column of its group's.

    Args:
        says_yes: whether the answer is yes, (queries,).
        is_yes: whether yes is right, (queries,).
        groups: number of the group of each query from 0, (queries,).

    >>> table(np.array([True, False]), np.array([True, True]), np.array([0, 0])).astype(int).tolist()
    [[1, 0, 0, 0], [0, 0, 1, 0]]
    """
    cell = np.where(says_yes, np.where(is_yes, 0, 1), np.where(is_yes, 2, 3))
    cells = np.zeros((len(cell), CELLS * (int(groups.max()) + 1)))
    cells[np.arange(len(cell)), CELLS * groups + cell] = 1.0
    return cells


def mean_score(name: str) -> Statistic:
    """Return the function from sums of cells, (draws, CELLS x groups), to the mean of a score over groups, (draws,).

    Args:
        name: one of ``SCORES``.

    >>> round(float(mean_score("f1")(np.array([[3, 1, 2, 4]]))[0]), 4)  # precision 3/4, recall 3/5
    0.6667
    """
    above, below = _RATIOS[name]

    def mean(sums: np.ndarray) -> np.ndarray:
        cells = sums.reshape(len(sums), -1, CELLS)
        over, under = cells @ above, cells @ below
        ratios: np.ndarray = np.divide(over, under, out=np.zeros_like(under), where=under > 0).mean(axis=1)
        return ratios

    return mean


_RATIOS = {
    "precision": (np.array([1.0, 0, 0, 0]), np.array([1.0, 1, 0, 0])),
    "recall": (np.array([1.0, 0, 0, 0]), np.array([1.0, 0, 1, 0])),
    "f1": (np.array([2.0, 0, 0, 0]), np.array([2.0, 1, 1, 0])),
    "yes_rate": (np.array([1.0, 1, 0, 0]), np.array([1.0, 1, 1, 1])),
}

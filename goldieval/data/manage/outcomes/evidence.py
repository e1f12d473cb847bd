"""Answers of another program as scores of candidates, which the family itself turns into outcomes and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from goldieval.data.manage.outcomes.items import Item

if TYPE_CHECKING:
    from goldieval.families.choice import ChoiceEvidence


def evidence_of(items: Sequence[Item], order: np.ndarray, candidates: int, trues: int) -> ChoiceEvidence:
    """Return scores with which every query has the rank that its item states.

    Args:
        items: the rows of the table.
        order: index of the item of each unit, (units,).
        candidates: number of candidates of a query.
        trues: number of candidates that are true.
    """
    import torch

    from goldieval.families.choice import ChoiceEvidence

    ranks = np.array([items[row].ranks for row in order]).ravel()
    above = np.arange(candidates - trues) < (ranks[:, None] - 1)  # false candidates that score higher than the true one
    scores = np.concatenate([np.zeros((len(ranks), trues)), np.where(above, 1.0, -1.0)], axis=1)
    told = [items[row].text_only for row in order]
    texts = None
    if trues > 1 and None not in told:
        right = np.array(told, dtype=float)[:, None]
        among, across = trues * (trues - 1) // 2, trues * (candidates - trues)
        texts = torch.as_tensor(np.hstack([right.repeat(among, 1), 0.5 + np.zeros((len(told), across))])).float()
    return ChoiceEvidence(torch.as_tensor(scores).float(), texts=texts)

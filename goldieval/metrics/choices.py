"""Choices among a few candidates, of which the first one or the first few are true."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from typing import NamedTuple

import numpy as np
import torch

from goldieval.metrics.accuracy import true_class_ranks
from goldieval.metrics.ranks import TIE, Ranks


class RankedChoices(NamedTuple):
    """One entry per query.

    Attributes:
        ranks: of the true candidate among the false ones; of several, of the one that scores lowest.
        predictions: the chosen candidate, (queries,); of several true ones the first stands for all of them.
        right: probability that every true candidate comes before every false one if ties are broken at random,
            (queries,); None where one candidate is true, since ``ranks`` say it then.
    """

    ranks: Ranks
    predictions: np.ndarray
    right: np.ndarray | None


def ranked_choices(scores: torch.Tensor, trues: int) -> RankedChoices:
    """Rank the true candidates of every query, which come first.

    Args:
        scores: (queries, candidates).
        trues: number of true candidates of each query.

    >>> found = ranked_choices(torch.tensor([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0], [2.0, 2.0, 2.0]]), 2)
    >>> found.ranks.low.tolist(), found.predictions.tolist(), found.right.round(2).tolist()
    ([1, 2, 1], [0, 2, 0], [1.0, 0.0, 0.33])
    """
    true, false = scores[:, :trues], scores[:, trues:]
    worst = true.min(dim=1)
    lowest = torch.cat([worst.values[:, None], false], dim=1)
    first = torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
    ranks, predictions, _ = true_class_ranks(lowest, first)
    if trues == 1:
        return RankedChoices(ranks, predictions, None)
    level = (true <= worst.values[:, None] + TIE).sum(dim=1).cpu().numpy()  # true ones that share the last place
    orders = np.array([comb(int(all_), int(some)) for all_, some in zip(level + ranks.tied, level, strict=True)])
    answers = ranks.answers
    if answers is not None:
        wrong = np.where(answers.wrong > 0, answers.wrong + trues - 1, answers.wrong)
        ranks = replace(ranks, answers=replace(answers, right=worst.indices.cpu().numpy(), wrong=wrong))
    predictions = np.where(predictions > 0, predictions + trues - 1, predictions)
    return RankedChoices(ranks, predictions, np.where(ranks.above == 0, 1 / orders, 0.0))


def chance_of(candidates: int, trues: int) -> float:
    """Return the probability that scores in random order put all true candidates first.

    >>> chance_of(2, 1), round(chance_of(3, 2), 4)
    (0.5, 0.3333)
    """
    return 1 / comb(candidates, trues)


def text_only_hits(cosines: torch.Tensor, trues: int) -> np.ndarray:
    """Return the probability that the true texts of a query are closer to each other than any of them to a false one.

    Args:
        cosines: of the true texts with each other, then of true with false texts, (queries, pairs).
        trues: number of true texts of each query.

    >>> text_only_hits(torch.tensor([[0.9, 0.8, 0.7], [0.8, 0.9, 0.7], [0.5, 0.5, 0.5]]), 2).round(2).tolist()
    [1.0, 0.0, 0.33]
    """
    among, across = cosines[:, : comb(trues, 2)], cosines[:, comb(trues, 2) :]
    return ranked_choices(torch.cat([among.amin(dim=1, keepdim=True), across], dim=1), 1).ranks.hits(1)


def text_only_chance(candidates: int, trues: int) -> float:
    """Return what cosines in random order get by ``text_only_hits``, where two texts are true.

    >>> round(text_only_chance(3, 2), 4)
    0.3333
    """
    return 1 / (1 + trues * (candidates - trues))

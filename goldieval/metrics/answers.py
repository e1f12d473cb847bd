"""The answers at the top of a query's ranking: the best of the right ones and the best of the wrong ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

# Scores of float32 unit vectors that differ by less than this count as ties.
TIE = 1e-6
NOBODY = -1  # index of an answer that does not exist


@dataclass(frozen=True)
class Answers:
    """One entry per query. Of answers whose scores tie, the one that is first in the data is named.

    Attributes:
        right: index of the right answer with the highest score, (queries,); ``NOBODY`` if there is none.
        right_score: its score, float32, (queries,); NaN where it was not computed.
        wrong: index of the wrong answer with the highest score, (queries,); ``NOBODY`` if every answer is right.
        wrong_score: its score, float32, (queries,); NaN where it was not computed.
    """

    right: np.ndarray
    right_score: np.ndarray
    wrong: np.ndarray
    wrong_score: np.ndarray

    def of(self, queries: np.ndarray) -> Answers:
        """Return the answers of a selection of queries, given as a mask or as indices."""
        return Answers(*(getattr(self, name)[queries] for name in _COLUMNS))


_COLUMNS = ("right", "right_score", "wrong", "wrong_score")


def answers_of(right: tuple[torch.Tensor, torch.Tensor], wrong: tuple[torch.Tensor, torch.Tensor]) -> Answers:
    """Return answers from the score and the index of each query's best right and best wrong answer.

    Args:
        right: scores and indices, each (queries,); a score of -inf means that there is no such answer.
        wrong: the same of the wrong answers.
    """
    columns: list[np.ndarray] = []
    for score, item in (right, wrong):
        found = torch.isfinite(score)
        columns += [
            item.masked_fill(~found, NOBODY).cpu().numpy(),
            score.detach().masked_fill(~found, torch.nan).cpu().numpy(),
        ]
    return Answers(*columns)


class BestAnswers:
    """The best-scoring answer of each query, from tiles of a score matrix; memory does not depend on the gallery.

    Tiles come in the order of the answers. A later answer replaces an earlier one only if it scores more than ``TIE``
    higher, so that the last bits of a matrix product do not decide.

    Attributes:
        scores: score of the best answer so far, -inf if there is none, (queries,).
        items: its index, (queries,).
    """

    def __init__(self, queries: int, device: torch.device) -> None:
        self.scores = torch.full((queries,), -torch.inf, device=device)
        self.items = torch.full((queries,), NOBODY, dtype=torch.int64, device=device)

    def of(self, tile: torch.Tensor, queries: slice, first: int, dim: int) -> BestAnswers:
        """Return the best answers within a tile alone; scores of answers that do not count are -inf.

        Args:
            tile: float scores of ``queries`` against the answers from ``first`` on, which lie along ``dim``.
            queries: the queries of the tile.
            first: index of the first answer of the tile.
            dim: dimension of the answers, 0 or 1.

        Returns:
            Answers to the queries of the tile. The item is determined only where it replaces the one that is known.
        """
        found = BestAnswers(0, tile.device)
        found.scores = best = tile.amax(dim)
        found.items = torch.full(best.shape, NOBODY, dtype=torch.int64, device=tile.device)
        is_better = best > self.scores[queries] + TIE
        if tile.device.type != "cpu":  # to count them would make the host wait for the device
            found.items = torch.where(is_better, _first_at_least(tile, best - TIE, dim) + first, found.items)
            return found
        better = torch.nonzero(is_better)[:, 0]
        if len(better) and len(better) < len(best):
            tile, best = tile.index_select(1 - dim, better), best[better]
        if len(better):
            found.items[better] = _first_at_least(tile, best - TIE, dim) + first
        return found

    def merge(self, later: BestAnswers, queries: slice) -> None:
        """Take the best answers to some queries among later items."""
        better = later.scores > self.scores[queries] + TIE
        self.items[queries] = torch.where(better, later.items, self.items[queries])
        self.scores[queries] = torch.where(better, later.scores, self.scores[queries])

    def update(self, tile: torch.Tensor, queries: slice, first: int, dim: int) -> None:
        """Take a tile of scores; arguments as of ``of``."""
        self.merge(self.of(tile, queries, first, dim), queries)


def _first_at_least(tile: torch.Tensor, least: torch.Tensor, dim: int) -> torch.Tensor:
    """Return the index of the first score along ``dim`` that reaches ``least``, (queries,); there is one.

    Floats that count down make it a maximum, which is several times faster than arg-max, and exact below 2^24.
    """
    size = tile.shape[dim]
    place = torch.arange(size, 0, -1, dtype=tile.dtype, device=tile.device).unsqueeze(1 - dim)
    near = torch.ge(tile, least.unsqueeze(dim), out=torch.empty_like(tile)).mul_(place)
    return size - near.amax(dim).to(torch.int64)

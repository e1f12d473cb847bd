"""Ranks in retrieval: how many candidates score higher than a query's best positive, and how many tie with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import gammaln

from goldieval.metrics.answers import TIE as TIE
from goldieval.metrics.answers import Answers, BestAnswers, answers_of, joined_answers


@dataclass(frozen=True)
class Ranks:
    """One entry per query, for one direction.

    Attributes:
        above: number of negatives that score higher than the best positive, (queries,).
        tied: number of negatives that score the same, (queries,).
        tied_positives: number of positives that score the same as the best, itself included, (queries,).
        positives: number of all positives, (queries,).
        gallery: number of candidates.
        answers: the best right and the best wrong answer to each query, where they were determined.
    """

    above: np.ndarray
    tied: np.ndarray
    tied_positives: np.ndarray
    positives: np.ndarray
    gallery: int
    answers: Answers | None = None

    def of(self, queries: np.ndarray) -> Ranks:
        """Return the ranks of a selection of queries, given as a mask or as indices."""
        above, tied = self.above[queries], self.tied[queries]
        answers = self.answers.of(queries) if self.answers is not None else None
        return Ranks(above, tied, self.tied_positives[queries], self.positives[queries], self.gallery, answers)

    @property
    def low(self) -> np.ndarray:
        """Rank of the best positive if it comes first in every tie, from 1, (queries,)."""
        low: np.ndarray = self.above + 1
        return low

    @property
    def high(self) -> np.ndarray:
        """Rank of the best positive if all tied negatives come first, (queries,)."""
        high: np.ndarray = self.above + self.tied + 1
        return high

    def expected(self) -> np.ndarray:
        """Return the expected rank of the first positive under random tie-breaking, (queries,)."""
        expected: np.ndarray = self.above + 1 + self.tied / (self.tied_positives + 1)
        return expected

    def hits(self, k: int) -> np.ndarray:
        """Return the probability that a positive is among the first ``k`` under random tie-breaking, (queries,).

        Without ties this is 0 or 1: "recall at k" in the sense of CLIP papers, where any positive counts.
        """
        places = np.minimum(k - self.above, self.tied + self.tied_positives)
        misses = _draws_without(self.tied, self.tied + self.tied_positives, np.maximum(places, 0))
        return np.where(places > 0, 1 - misses, 0.0)

    def chance(self, k: int) -> float:
        """Return the recall at k of a random order of the gallery."""
        drawn = np.minimum(k, self.gallery) * np.ones_like(self.positives)
        return float(np.mean(1 - _draws_without(self.gallery - self.positives, self.gallery, drawn)))

    def chance_rank(self) -> np.ndarray:
        """Return the expected rank of the first positive in a random order, (queries,)."""
        return (self.gallery + 1) / (self.positives + 1)


def joined(parts: Sequence[Ranks]) -> Ranks:
    """Concatenate the ranks of several groups of queries against one gallery."""

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    known = [part.answers for part in parts if part.answers is not None]
    return Ranks(
        column("above"),
        column("tied"),
        column("tied_positives"),
        column("positives"),
        parts[0].gallery,
        joined_answers(known) if len(known) == len(parts) else None,
    )


class RankCounter:
    """Counts ranks in both directions from the tiles of a score matrix; each cell is given once.

    Args:
        positives: text index and image index of each positive pair, (pairs, 2).
        scores: their scores, float32, (pairs,).
        texts: number of rows of the score matrix.
        images: number of its columns.
    """

    def __init__(self, positives: torch.Tensor, scores: torch.Tensor, texts: int, images: int) -> None:
        order = torch.argsort(positives[:, 0], stable=True)
        self._positives, self._scores = positives[order], scores[order]
        sizes = texts, images
        self._sides = [
            _Side(self._positives[:, side], self._positives[:, 1 - side], self._scores, sizes[side]) for side in (0, 1)
        ]

    def update(self, tile: torch.Tensor, text_start: int, image_start: int) -> None:
        """Count a tile of scores, (texts, images), which is overwritten at the positives."""
        rows, columns = tile.shape
        first, last = torch.searchsorted(
            self._positives[:, 0].contiguous(), torch.tensor([text_start, text_start + rows], device=tile.device)
        )
        here = self._positives[first:last]
        here = here[(here[:, 1] >= image_start) & (here[:, 1] < image_start + columns)]
        tile[here[:, 0] - text_start, here[:, 1] - image_start] = -torch.inf
        by_text, by_image = self._sides
        scratch = torch.empty_like(tile)
        by_text.count(tile, text_start, image_start, 1, scratch)
        by_image.count(tile, image_start, text_start, 0, scratch)

    def result(self) -> tuple[Ranks, Ranks]:
        """Return the ranks text to image and image to text."""
        by_text, by_image = self._sides
        return by_text.ranks(by_image.size), by_image.ranks(by_text.size)


class _Side:
    """Thresholds and counters of the queries of one direction."""

    def __init__(self, query: torch.Tensor, item: torch.Tensor, scores: torch.Tensor, size: int) -> None:
        self.size = size
        self.best = torch.full((size,), -torch.inf, device=scores.device)
        self.best.scatter_reduce_(0, query, scores, "amax")
        self.positives = torch.bincount(query, minlength=size)
        near = scores >= self.best[query] - TIE
        self.tied_positives = torch.bincount(query[near], minlength=size)
        self._right = torch.full((size,), _BEYOND, device=scores.device)
        self._right.scatter_reduce_(0, query[near], item[near], "amin")
        self._wrong = BestAnswers(size, scores.device)
        self.above = torch.zeros(size, dtype=torch.int64, device=scores.device)
        self.reach = torch.zeros_like(self.above)

    def count(self, tile: torch.Tensor, start: int, item_start: int, dim: int, scratch: torch.Tensor) -> None:
        here = slice(start, start + tile.shape[1 - dim])
        self._wrong.update(tile, here, item_start, dim)
        best = self.best[here].unsqueeze(dim)
        self.above[here] += _count(torch.gt(tile, best + TIE, out=scratch), dim)
        self.reach[here] += _count(torch.ge(tile, best - TIE, out=scratch), dim)

    def ranks(self, gallery: int) -> Ranks:
        above, reach = self.above.cpu().numpy(), self.reach.cpu().numpy()
        answers = answers_of((self.best, self._right), (self._wrong.scores, self._wrong.items))
        positives, tied_positives = self.positives.cpu().numpy(), self.tied_positives.cpu().numpy()
        return Ranks(above, reach - above, tied_positives, positives, gallery, answers)


_BEYOND = torch.iinfo(torch.int64).max  # an index after all others


def _count(ones: torch.Tensor, dim: int) -> torch.Tensor:
    """Add up zeros and ones stored as floats: exact for tiles below 2^24, and several times faster than booleans."""
    return ones.sum(dim).to(torch.int64)


def _draws_without(without: np.ndarray, total: np.ndarray | int, draws: np.ndarray) -> np.ndarray:
    """Return the probability that ``draws`` of ``total`` items, without replacement, are all among ``without``."""
    total = np.broadcast_to(np.asarray(total), without.shape)
    possible = draws <= without
    left = np.where(possible, without - draws, 0)
    log_share = gammaln(without + 1) - gammaln(left + 1) + gammaln(total - draws + 1) - gammaln(total + 1)
    share: np.ndarray = np.where(possible, np.exp(log_share), 0.0)
    return np.where(draws == 0, 1.0, share)

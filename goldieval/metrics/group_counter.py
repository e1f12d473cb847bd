"""Counts the negatives that rank before, and tie with, each group of tied positives of a query, tile by tile."""

from __future__ import annotations

import numpy as np
import torch

from goldieval.core.transfers import upload
from goldieval.metrics.answers import TIE
from goldieval.metrics.tie_groups import TieGroups


class GroupCounts:
    """Counts of consecutive groups against a part of their gallery.

    Attributes:
        first: index of the first group.
        above: number of negatives that score higher, (groups,).
        reach: the same and those that tie, (groups,).
    """

    def __init__(self, first: int, groups: int, device: torch.device) -> None:
        self.first = first
        self.above = torch.zeros(groups, dtype=torch.int64, device=device)
        self.reach = torch.zeros_like(self.above)

    def merge(self, part: GroupCounts) -> None:
        """Add the counts of some of these groups against further items."""
        here = slice(part.first - self.first, part.first - self.first + len(part.above))
        self.above[here] += part.above
        self.reach[here] += part.reach

    def packed(self) -> torch.Tensor:
        """Return both counts as one tensor, int64, (2, groups)."""
        return torch.stack([self.above, self.reach])

    def unpacked(self, packed: torch.Tensor) -> GroupCounts:
        """Return these counts with the values, and on the device, of a packed tensor."""
        made = GroupCounts(self.first, 0, packed.device)
        made.above, made.reach = packed
        return made


class PositiveGroups:
    """The positives of each query of one direction, in groups whose scores tie.

    Positives belong to one group if each scores at most twice ``TIE`` below the next: then no negative, which ties
    within ``TIE``, ties with two groups.

    Args:
        pairs: query and item of each positive pair, on the host, (pairs, 2).
        scores: their scores, float32, (pairs,).
        queries: number of queries.
    """

    def __init__(self, pairs: np.ndarray, scores: torch.Tensor, queries: int) -> None:
        values = scores.detach().cpu().numpy().astype(np.float64)
        order = np.lexsort((-values, pairs[:, 0]))
        query, values = pairs[order, 0], values[order]
        apart = np.ones(len(query), dtype=bool)
        apart[1:] = (query[1:] != query[:-1]) | (values[:-1] - values[1:] > 2 * TIE)
        starts = np.flatnonzero(apart)
        ends = np.append(starts[1:], len(query))
        self.query, self.positives = query[starts], ends - starts
        self._device = scores.device
        self.top, self.bottom = (
            torch.as_tensor(values[edges], dtype=torch.float32).to(scores.device) for edges in (starts, ends - 1)
        )
        self.starts = np.searchsorted(self.query, np.arange(queries + 1))  # of each query, the index of its first group
        self._queries = queries

    def empty(self, queries: range) -> GroupCounts:
        """Return counts of the groups of some queries, of which nothing is counted yet."""
        first, last = self.starts[queries.start], self.starts[queries.stop]
        return GroupCounts(int(first), int(last - first), self._device)

    def count(self, tile: torch.Tensor, start: int, dim: int, best: torch.Tensor) -> GroupCounts:
        """Count the negatives of a tile, whose items lie along ``dim`` and whose positives are -inf.

        Args:
            tile: scores of the queries from ``start`` on.
            start: index of the first query of the tile.
            dim: dimension of the items, 0 or 1.
            best: the highest of its scores for each query, (queries,).
        """
        starts = self.starts[start : start + tile.shape[1 - dim] + 1]
        found = GroupCounts(int(starts[0]), int(starts[-1] - starts[0]), tile.device)
        sizes = self._reached(starts, start, best)
        rows = np.argsort(-sizes, kind="stable")[: int((sizes > 0).sum())]  # queries with more groups come first
        if not len(rows):
            return found
        scores = (tile if dim == 1 else tile.T).index_select(0, upload(torch.from_numpy(rows), tile.device))
        last = upload(torch.from_numpy(starts[1:][rows] - 1), tile.device)
        scratch = torch.empty_like(scores)
        counts = np.searchsorted(-sizes[rows], -np.arange(sizes.max()), side="left")  # queries with more than so many
        for number, some in enumerate(counts.tolist()):
            which, some_scores, ones = last[:some] - number, scores[:some], scratch[:some]
            here = which - found.first
            above = torch.gt(some_scores, (self.top[which] + TIE)[:, None], out=ones).sum(1)
            found.above[here] = above.to(torch.int64)  # exact: floats count up to 2^24
            reach = torch.ge(some_scores, (self.bottom[which] - TIE)[:, None], out=ones).sum(1)
            found.reach[here] = reach.to(torch.int64)
        return found

    def _reached(self, starts: np.ndarray, first_query: int, best: torch.Tensor) -> np.ndarray:
        """Return how many groups of each query a tile reaches, the last ones of the query, (queries,).

        On an accelerator the host would wait for the answer, so that all groups are taken.
        """
        if best.device.type != "cpu":
            return np.diff(starts)
        here = slice(starts[0], starts[-1])
        query = self.query[here] - first_query
        reached = (best[torch.from_numpy(query)] >= self.bottom[here] - TIE).numpy()
        return np.bincount(query[reached], minlength=len(starts) - 1)

    def ranks(self, counts: GroupCounts, relevant: np.ndarray, gallery: int) -> TieGroups:
        """Return the ranks of all positives.

        Args:
            counts: counts of all groups against the whole gallery.
            relevant: number of positives of each query, (queries,).
            gallery: number of candidates.
        """
        above, reach = counts.above.cpu().numpy(), counts.reach.cpu().numpy()
        so_far = np.cumsum(self.positives) - self.positives
        first = self.starts[self.query]  # of each group, the first group of its query
        before = so_far - so_far[first] if len(so_far) else so_far
        return TieGroups(self.query, above + before, before, self.positives, reach - above, relevant, gallery)

"""Ranks of both directions of retrieval, counted tile by tile. Tiles may be counted by several threads or processes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from goldieval.core.transfers import upload
from goldieval.metrics.answers import TIE, BestAnswers, answers_of
from goldieval.metrics.group_counter import GroupCounts, PositiveGroups
from goldieval.metrics.ranks import Ranks

_BEYOND = torch.iinfo(torch.int64).max  # an index after all others


class Counts:
    """Counts of consecutive queries of one direction against a part of their gallery.

    Attributes:
        start: index of the first query.
        above: number of negatives that score higher than the best positive, (queries,).
        reach: the same and those that tie with it, (queries,).
        wrong: the best negative.
        groups: counts for every positive instead of the best, if they are wanted.
    """

    def __init__(self, start: int, queries: int, device: torch.device, groups: GroupCounts | None = None) -> None:
        self.start, self.groups = start, groups
        self.above = torch.zeros(queries, dtype=torch.int64, device=device)
        self.reach = torch.zeros_like(self.above)
        self.wrong = BestAnswers(queries, device)

    def merge(self, part: Counts) -> None:
        """Add the counts of some of these queries against further items; parts come in the order of the items."""
        here = slice(part.start - self.start, part.start - self.start + len(part.above))
        self.above[here] += part.above
        self.reach[here] += part.reach
        self.wrong.merge(part.wrong, here)
        if self.groups is not None and part.groups is not None:
            self.groups.merge(part.groups)

    def packed(self) -> torch.Tensor:
        """Return all counts as one tensor, int64, (4, queries): the bits of scores are kept."""
        scores = self.wrong.scores.view(torch.int32).to(torch.int64)
        return torch.stack([self.above, self.reach, self.wrong.items, scores])

    def unpacked(self, packed: torch.Tensor) -> Counts:
        """Return these counts with the values, and on the device, of a packed tensor."""
        made = Counts(self.start, 0, packed.device)
        made.above, made.reach, made.wrong.items, scores = packed
        made.wrong.scores = scores.to(torch.int32).view(torch.float32)
        return made


@dataclass(frozen=True)
class Tally:
    """Counts of a rectangle of the score matrix.

    Attributes:
        by_text: counts of its texts against its images.
        by_image: counts of its images against its texts.
    """

    by_text: Counts
    by_image: Counts

    def merge(self, part: Tally) -> None:
        """Add the tally of a part of this rectangle; each cell is added once, parts come in the order of both sides."""
        self.by_text.merge(part.by_text)
        self.by_image.merge(part.by_image)

    def to(self, device: torch.device) -> Tally:
        """Return the same on another device; it is copied as a whole."""
        if self.by_text.above.device.type == device.type:
            return self
        packed = torch.cat([self.by_text.packed(), self.by_image.packed()], dim=1).to(device)
        texts = len(self.by_text.above)
        moved = Tally(self.by_text.unpacked(packed[:, :texts]), self.by_image.unpacked(packed[:, texts:]))
        if self.by_text.groups is None or self.by_image.groups is None:
            return moved
        packed = torch.cat([self.by_text.groups.packed(), self.by_image.groups.packed()], dim=1).to(device)
        of_texts = len(self.by_text.groups.above)
        moved.by_text.groups = self.by_text.groups.unpacked(packed[:, :of_texts])
        moved.by_image.groups = self.by_image.groups.unpacked(packed[:, of_texts:])
        return moved


class RankCounter:
    """Counts ranks in both directions from the tiles of a score matrix; each cell is given once.

    Args:
        positives: text index and image index of each positive pair, (pairs, 2).
        scores: their scores, float32, (pairs,).
        texts: number of rows of the score matrix.
        images: number of its columns.
        all_positives: whether to rank every positive of a query instead of the best alone.
        square: whether texts and images are the same items, none of which is a candidate for itself.
    """

    def __init__(
        self,
        positives: torch.Tensor,
        scores: torch.Tensor,
        texts: int,
        images: int,
        all_positives: bool = False,
        square: bool = False,
    ) -> None:
        positives = positives.cpu()
        order = torch.argsort(positives[:, 0], stable=True)
        positives = positives[order]
        pairs = positives.numpy().copy()
        positives, scores = positives.to(scores.device), scores[order.to(scores.device)]
        sizes = texts, images
        self._best = [_BestPositives(positives, scores, side, sizes[side]) for side in (0, 1)]
        sides = (pairs, pairs[:, ::-1])
        self._groups = [PositiveGroups(sides[side], scores, sizes[side]) for side in (0, 1)] if all_positives else []
        self._itself = int(square)
        if square:
            pairs = np.concatenate([pairs, np.arange(texts)[:, None].repeat(2, axis=1)])
            pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        self._texts, self._images = pairs.T  # cells that are no negatives, on the host: no tile waits
        self._device = scores.device
        self.total = self.empty(range(texts), range(images))

    def empty(self, texts: range, images: range) -> Tally:
        """Return the tally of a rectangle of which nothing is counted yet."""
        by_text, by_image = (
            Counts(
                queries.start, len(queries), self._device, self._groups[side].empty(queries) if self._groups else None
            )
            for side, queries in enumerate((texts, images))
        )
        return Tally(by_text, by_image)

    def tally(self, tile: torch.Tensor, text_start: int, image_start: int, before: Tally | None = None) -> Tally:
        """Count a tile of scores, (texts, images), which is overwritten at the positives.

        Args:
            tile: the scores.
            text_start: index of its first text.
            image_start: index of its first image.
            before: what the result will be merged into; it may hold less at this time.
        """
        rows, columns = tile.shape
        first, last = np.searchsorted(self._texts, (text_start, text_start + rows))
        image = self._images[first:last] - image_start
        inside = (image >= 0) & (image < columns)
        if inside.any():
            cells = np.stack([self._texts[first:last][inside] - text_start, image[inside]])
            tile[tuple(upload(torch.from_numpy(cells), tile.device))] = -torch.inf
        before = before or self.empty(range(text_start, text_start + rows), range(image_start, image_start + columns))
        scratch = torch.empty_like(tile)
        by_text, by_image = self._best
        found = Tally(
            by_text.count(tile, text_start, image_start, 1, before.by_text, scratch),
            by_image.count(tile, image_start, text_start, 0, before.by_image, scratch),
        )
        if self._groups:
            found.by_text.groups = self._groups[0].count(tile, text_start, 1, found.by_text.wrong.scores)
            found.by_image.groups = self._groups[1].count(tile, image_start, 0, found.by_image.wrong.scores)
        return found

    def update(self, tile: torch.Tensor, text_start: int, image_start: int) -> None:
        """Count a tile of scores, (texts, images), which is overwritten at the positives."""
        self.total.merge(self.tally(tile, text_start, image_start, self.total))

    def result(self) -> tuple[Ranks, Ranks]:
        """Return the ranks text to image and image to text."""
        by_text, by_image = self._best
        t2i = by_text.ranks(self.total.by_text, by_image.size - self._itself)
        i2t = by_image.ranks(self.total.by_image, by_text.size - self._itself)
        return self._with_groups(t2i, self.total.by_text, 0), self._with_groups(i2t, self.total.by_image, 1)

    def _with_groups(self, ranks: Ranks, counts: Counts, side: int) -> Ranks:
        if counts.groups is None:
            return ranks
        assert isinstance(ranks.gallery, int)  # all queries have the same gallery
        return replace(ranks, groups=self._groups[side].ranks(counts.groups, ranks.positives, ranks.gallery))


class _BestPositives:
    """The best positive of each query of one direction."""

    def __init__(self, pairs: torch.Tensor, scores: torch.Tensor, side: int, size: int) -> None:
        query, item = pairs[:, side], pairs[:, 1 - side]
        self.size = size
        self.scores = torch.full((size,), -torch.inf, device=scores.device)
        self.scores.scatter_reduce_(0, query, scores, "amax")
        near = scores >= self.scores[query] - TIE
        self.positives, self.tied = (
            torch.zeros(size, dtype=torch.int64, device=scores.device).scatter_add_(0, query, counted)
            for counted in (torch.ones_like(query), near.to(torch.int64))
        )
        self._items = torch.full((size,), _BEYOND, device=scores.device)
        self._items.scatter_reduce_(0, query, torch.where(near, item, _BEYOND), "amin")

    def count(
        self, tile: torch.Tensor, start: int, item_start: int, dim: int, before: Counts, scratch: torch.Tensor
    ) -> Counts:
        """Count the negatives of a tile, whose items lie along ``dim``."""
        queries = tile.shape[1 - dim]
        best = self.scores[start : start + queries].unsqueeze(dim)
        found = Counts(start, 0, tile.device)
        first = start - before.start
        found.wrong = before.wrong.of(tile, slice(first, first + queries), item_start, dim)
        found.above = _count(torch.gt(tile, best + TIE, out=scratch), dim)
        found.reach = _count(torch.ge(tile, best - TIE, out=scratch), dim)
        return found

    def ranks(self, counts: Counts, gallery: int) -> Ranks:
        above, reach = counts.above.cpu().numpy(), counts.reach.cpu().numpy()
        answers = answers_of((self.scores, self._items), (counts.wrong.scores, counts.wrong.items))
        positives, tied_positives = self.positives.cpu().numpy(), self.tied.cpu().numpy()
        return Ranks(above, reach - above, tied_positives, positives, gallery, answers)


def _count(ones: torch.Tensor, dim: int) -> torch.Tensor:
    """Add up zeros and ones stored as floats: exact for tiles below 2^24, and several times faster than booleans."""
    return ones.sum(dim).to(torch.int64)

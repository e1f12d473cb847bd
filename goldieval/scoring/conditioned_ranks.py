"""Ranks by exact text-conditioned scores. Images lie in blocks on the processes that encoded them, see ``blocks``."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import groupby
from typing import NamedTuple

import torch

from goldieval.core.meter import Meter, metered
from goldieval.metrics.accuracy import ClassCounts, class_counts, joined_counts
from goldieval.metrics.rank_counter import RankCounter, Tally
from goldieval.metrics.ranks import Ranks
from goldieval.scoring.blocks import PatchBlocks
from goldieval.scoring.conditioned import ConditionedScorer, Pool, held, output_of, tile_size
from goldieval.scoring.listed import conditioned_pairs

ROUND = 64  # blocks whose tallies are gathered at a time: 45 MB for 25,010 texts


class _Tile(NamedTuple):
    """Images of a block, and a scorer of texts.

    Attributes:
        scorer: Scores the texts.
        texts: Indices of the scorer's texts.
        block: Number of the block.
        image: Index of the first image.
        patches: Patch tokens of the images, shape (n, patches, dim).
    """

    scorer: ConditionedScorer
    texts: range
    block: int
    image: int
    patches: torch.Tensor


def conditioned_ranks(
    pool: Pool, texts: torch.Tensor, blocks: PatchBlocks, positives: torch.Tensor, all_positives: bool = False
) -> tuple[Ranks, Ranks]:
    """Rank both directions by exact text-conditioned scores; memory does not depend on the number of texts.

    Args:
        pool: The model's pooling.
        texts: Text vectors before normalisation, shape (texts, dim).
        blocks: Patch tokens of all images.
        positives: Pairs (text index, image index), shape (pairs, 2).
        all_positives: Whether to rank every positive of a query instead of the best alone.

    Returns:
        Ranks of text to image and of image to text.
    """
    scores = conditioned_pairs(pool, texts, blocks, positives)
    counter = RankCounter(positives, scores, len(texts), len(blocks), all_positives)
    rounds = [range(first, first + ROUND) for first in range(0, len(blocks.sizes), ROUND)]
    with (
        metered("scoring pairs", len(texts) * blocks.own_images) as meter,
        closing(_tallies(pool, texts, blocks, counter, meter)) as tallies,
    ):
        for numbers in rounds * len(range(0, len(texts), held(blocks.device))):
            mine = {number: next(tallies) for number in blocks.own if number in numbers}
            for tally in blocks.gathered(mine):
                counter.total.merge(tally.to(blocks.device))
    return counter.result()


def _tallies(
    pool: Pool, texts: torch.Tensor, blocks: PatchBlocks, counter: RankCounter, meter: Meter
) -> Generator[Tally, None, None]:
    """Yield the tally of every block of this process against the first texts, then against the next, and so on."""

    def count(tile: _Tile) -> Tally:
        images = range(tile.image, tile.image + len(tile.patches))
        found = counter.empty(tile.texts, images)
        for first, scores in tile.scorer.tiles(tile.patches):
            found.merge(counter.tally(scores, tile.texts.start + first, tile.image))
        return found

    counted = blocks.each(count, _tiles(pool, texts, blocks, held(blocks.device)))
    for (part, number), tallies in groupby(counted, key=lambda each: (each[0].texts, each[0].block)):
        total = counter.empty(part, blocks.images(number))
        for tile, tally in tallies:
            total.merge(tally)
            meter.advance(len(part) * len(tile.patches))
        yield total.to(torch.device("cpu")) if blocks.apart else total


def _tiles(pool: Pool, texts: torch.Tensor, blocks: PatchBlocks, held_texts: int) -> Iterator[_Tile]:
    """Yield the tiles of this process, ``held_texts`` texts at a time; projections are made when they are needed."""
    step, output, starts = tile_size(blocks.device)[0], output_of(pool), blocks.starts
    for first in range(0, len(texts), held_texts):
        scorer = ConditionedScorer(pool, texts[first : first + held_texts], output)
        part = range(first, first + len(scorer))
        for number, patches in blocks.on_device():
            for image in range(0, len(patches), step):
                yield _Tile(scorer, part, number, starts[number] + image, patches[image : image + step])


def conditioned_classes(
    pool: Pool, classes: torch.Tensor, blocks: PatchBlocks, labels: torch.Tensor, factor: float | None = None
) -> ClassCounts:
    """Compare the true class of every image with the others.

    Args:
        pool: The model's pooling.
        classes: Class vectors, shape (classes, dim).
        blocks: Patch tokens of all images.
        labels: Class indices, shape (images,).
        factor: Factor of the scores before the softmax; None for no probabilities.
    """

    def count(tile: _Tile) -> ClassCounts:
        true = labels[tile.image : tile.image + len(tile.patches)]
        return class_counts(tile.scorer.rows(tile.patches), true, factor)

    found: dict[int, list[ClassCounts]] = {}
    with metered("scoring images", blocks.own_images) as meter:
        for tile, counts in blocks.each(count, _tiles(pool, classes, blocks, len(classes))):
            found.setdefault(tile.block, []).append(counts)
            meter.advance(len(tile.patches))
    by_block = {number: joined_counts(parts) for number, parts in found.items()}
    if blocks.apart:
        by_block = {number: ClassCounts(*(part.cpu() for part in counts)) for number, counts in by_block.items()}
    return joined_counts(blocks.gathered(by_block))


def conditioned_rows(pool: Pool, texts: torch.Tensor, blocks: PatchBlocks, images: torch.Tensor) -> torch.Tensor:
    """Return the scores of some images against all texts, shape (images, texts).

    Args:
        pool: The model's pooling.
        texts: Text vectors before normalisation, shape (texts, dim).
        blocks: Patch tokens of all images.
        images: Indices of images, ascending, shape (images,).
    """
    images, owner, device = images.cpu(), blocks.block_of(images), blocks.device
    chosen = {
        number: patches[(images[owner == number] - blocks.starts[number]).to(patches.device)]
        for number, patches in blocks.own.items()
        if (owner == number).any()
    }
    few = PatchBlocks(blocks.sizes, chosen, device, blocks.group, blocks.workers)
    found: dict[int, list[torch.Tensor]] = {}
    for tile, scores in blocks.each(lambda tile: tile.scorer.rows(tile.patches), _tiles(pool, texts, few, len(texts))):
        found.setdefault(tile.block, []).append(scores.cpu() if blocks.apart else scores)
    return torch.cat([rows for parts in blocks.gathered(found) for rows in parts]).to(device)

"""Text-conditioned scores of listed pairs of images and texts, tile by tile: each image is projected once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch

from goldieval.core.meter import metered
from goldieval.core.transfers import upload
from goldieval.scoring.blocks import PatchBlocks
from goldieval.scoring.conditioned import ConditionedScorer, PatchKeysValues, Pool, held, output_of, tile_size


class _Tile(NamedTuple):
    """Images with their lists of texts, the longest list first.

    Attributes:
        block: Number of the block of the images.
        scorer: Scores the texts.
        patches: Patch tokens of the block, on the device, shape (images of the block, patches, dim).
        images: Index in the block of each image, shape (n,).
        starts: Index of the first pair of each image, shape (n,).
        counts: Number of texts of each image, descending, shape (n,).
        texts: Texts of the pairs, sorted by image, as indices of the scorer's, shape (pairs,).
        places: Index of these pairs among all pairs of the task, shape (pairs,).
    """

    block: int
    scorer: ConditionedScorer
    patches: torch.Tensor
    images: torch.Tensor
    starts: torch.Tensor
    counts: torch.Tensor
    texts: torch.Tensor
    places: torch.Tensor


def conditioned_pairs(pool: Pool, texts: torch.Tensor, blocks: PatchBlocks, pairs: torch.Tensor) -> torch.Tensor:
    """Return the score of each pair (text index, image index), shape (pairs,), a limited number of texts at a time.

    Args:
        pool: The model's pooling.
        texts: Text vectors before normalisation, shape (texts, dim).
        blocks: Patch tokens of all images.
        pairs: The pairs, shape (pairs, 2).
    """
    output, pairs = output_of(pool), pairs.cpu()
    by_block = _by_block(blocks, pairs)

    def tiles() -> Iterator[_Tile]:
        for number, patches in _wanted(blocks, by_block).on_device():
            for part in torch.split(by_block[number], held(blocks.device)):
                wanted, rows = torch.unique(pairs[part, 0], return_inverse=True)
                scorer = ConditionedScorer(pool, texts[upload(wanted, texts.device)], output)
                yield from _tiles(blocks, number, patches, scorer, rows, part, pairs)

    return _scored(blocks, tiles(), sum(map(len, by_block.values())), len(pairs))


def listed_pairs(pool: Pool, texts: torch.Tensor, blocks: PatchBlocks, pairs: torch.Tensor) -> torch.Tensor:
    """Return the same as ``conditioned_pairs``, with the projections of all texts in memory: faster for many pairs."""
    pairs = pairs.cpu()
    by_block = _by_block(blocks, pairs)

    def tiles() -> Iterator[_Tile]:
        scorer = ConditionedScorer(pool, texts)
        for number, patches in _wanted(blocks, by_block).on_device():
            places = by_block[number]
            yield from _tiles(blocks, number, patches, scorer, pairs[places, 0], places, pairs)

    return _scored(blocks, tiles(), sum(map(len, by_block.values())), len(pairs))


def _wanted(blocks: PatchBlocks, by_block: Mapping[int, torch.Tensor]) -> PatchBlocks:
    """Return the blocks that have pairs: the others are not copied to the device."""
    return replace(blocks, own={number: blocks.own[number] for number in by_block})


def _by_block(blocks: PatchBlocks, pairs: torch.Tensor) -> dict[int, torch.Tensor]:
    """Return the indices of the pairs of each block of this process, sorted by image, for blocks with pairs."""
    order = torch.argsort(pairs[:, 1], stable=True)
    owner = blocks.block_of(pairs[order, 1])
    parts = {number: order[owner == number] for number in blocks.own}
    return {number: places for number, places in parts.items() if len(places)}


def _tiles(
    blocks: PatchBlocks,
    number: int,
    patches: torch.Tensor,
    scorer: ConditionedScorer,
    texts: torch.Tensor,
    places: torch.Tensor,
    pairs: torch.Tensor,
) -> Iterator[_Tile]:
    """Yield tiles of images of a block by their number of texts, so that the lists within a tile have similar lengths.

    Args:
        blocks: Patch tokens.
        number: The block.
        patches: Its patch tokens, on the device.
        scorer: Scores the texts.
        texts: Text of each pair of the block as index of the scorer's, shape (n,).
        places: Index of these pairs among all, sorted by image, shape (n,).
        pairs: All pairs, on the host, shape (pairs, 2).
    """
    images, counts = torch.unique_consecutive(pairs[places, 1], return_counts=True)
    starts = counts.cumsum(0) - counts
    for tile in torch.split(torch.argsort(counts, descending=True, stable=True), tile_size(blocks.device)[0]):
        local = images[tile] - blocks.starts[number]
        yield _Tile(number, scorer, patches, local, starts[tile], counts[tile], texts, places)


def _scored(blocks: PatchBlocks, tiles: Iterator[_Tile], own: int, pairs: int) -> torch.Tensor:
    """Score the tiles of this process; return the scores of all pairs of all processes, on the device, shape (pairs,).

    Args:
        blocks: Patch tokens.
        tiles: Tiles of this process.
        own: Number of pairs of this process.
        pairs: Number of all pairs.
    """
    found: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    with metered("scoring images against their listed texts", own) as meter:
        for tile, scored in blocks.each(_score_tile, tiles):
            found.setdefault(tile.block, []).append(scored)
            meter.advance(len(scored[0]))
    by_block = {number: tuple(map(torch.cat, zip(*parts, strict=True))) for number, parts in found.items()}
    if blocks.apart:
        by_block = {number: (places, scores.cpu()) for number, (places, scores) in by_block.items()}
    parts = blocks.gathered(by_block)
    scores = torch.empty(pairs, device=blocks.device)
    if parts:
        places, values = (torch.cat(columns) for columns in zip(*parts, strict=True))
        scores[upload(places, blocks.device)] = values.to(blocks.device)
    return scores


def _score_tile(tile: _Tile) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the index of each pair of a tile among all pairs, on the host, and its score, on the device."""
    device, (_, step) = tile.patches.device, tile_size(tile.patches.device)
    memory = tile.scorer.memory(tile.patches[upload(tile.images, device)])
    places, scores = [], []
    for first in range(0, int(tile.counts[0]), step):
        left = tile.counts - first
        here = int((left > 0).sum())  # the first images of the tile: those with enough texts
        left = left[:here, None].clamp_max(step)
        columns = torch.arange(int(left[0]))[None].expand(here, -1)
        wanted, rows = columns < left, tile.starts[:here, None] + first + torch.minimum(columns, left - 1)
        texts = upload(tile.texts[rows], device)
        found = tile.scorer.lists(PatchKeysValues(*(part[:here] for part in memory)), texts)
        places.append(tile.places[rows[wanted]])
        scores.append(found.flatten()[upload(wanted.flatten().nonzero()[:, 0], device)])
    return torch.cat(places), torch.cat(scores)

"""Votes of the nearest training images, tile by tile, so that memory does not depend on their number.

The protocol is that of DINO's ``eval_knn.py``: cosine, and a vote weighs exp(cosine / temperature).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from goldieval.core.meter import metered
from goldieval.core.units import thread_count, units
from goldieval.metrics.accuracy import ClassCounts, class_counts, joined_counts

QUERIES, BANK = 1024, 16_384  # a tile of cosines is 67 MB


def votes(similarities: torch.Tensor, labels: torch.Tensor, classes: int, temperature: float) -> torch.Tensor:
    """Return the share of each class in the weighted votes of each query's neighbours, float32, (queries, classes).

    Args:
        similarities: cosine of each neighbour, (queries, neighbours).
        labels: class of each neighbour, (queries, neighbours).
        classes: number of classes.
        temperature: of the weights.
    """
    weights = torch.softmax(similarities / temperature, dim=1)
    return weights.new_zeros(len(weights), classes).scatter_add_(1, labels, weights)


def nearest(queries: torch.Tensor, bank: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosine and index of the nearest vectors, (queries, count) each, the nearest first.

    Of vectors with the same cosine, that of the smaller index is first.

    Args:
        queries: unit vectors, (queries, dim).
        bank: unit vectors, (vectors, dim).
        count: number of neighbours; all vectors where there are fewer.
    """
    scores, rows = queries.new_empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.long)
    rows = rows.to(queries.device)
    for start in range(0, len(bank), BANK):
        tile = queries @ bank[start : start + BANK].T
        best, places = tile.topk(min(count, tile.shape[1]), dim=1)
        rows, scores = torch.cat([rows, places + start], dim=1), torch.cat([scores, best], dim=1)
        rows, order = rows.sort(dim=1)
        scores, order = scores.gather(1, order).sort(dim=1, descending=True, stable=True)
        scores, rows = scores[:, :count], rows.gather(1, order)[:, :count]
    return scores, rows


def neighbour_counts(
    images: torch.Tensor,
    labels: torch.Tensor,
    bank: torch.Tensor,
    bank_labels: torch.Tensor,
    classes: int,
    neighbours: Sequence[int],
    temperature: float,
) -> dict[int, ClassCounts]:
    """Compare the true class of every image with the others, by the votes of so many neighbours.

    A class for which nobody votes is no answer: where the true class is one, it ranks last. (DINO's code puts such
    classes in an order that is not defined, so that its top-5 may count them.)

    Args:
        images: unit vectors to classify, (images, dim).
        labels: their class indices, (images,).
        bank: unit vectors of the training images, (training images, dim).
        bank_labels: their class indices.
        classes: number of classes.
        neighbours: numbers of neighbours.
        temperature: of the weights of votes.
    """

    def count(part: tuple[torch.Tensor, torch.Tensor]) -> list[ClassCounts]:
        with torch.no_grad():
            similarities, rows = (each.cpu() for each in nearest(part[0], bank, max(neighbours)))
            found = bank_labels[rows]
            return [
                _counts(votes(similarities[:, :many], found[:, :many], classes, temperature), part[1])
                for many in neighbours
            ]

    labels, bank_labels = labels.cpu(), bank_labels.cpu()  # votes are added on the CPU, in a fixed order

    def parts() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        yield from zip(torch.split(images, QUERIES), torch.split(labels, QUERIES), strict=True)

    counted: list[list[ClassCounts]] = []
    with metered("finding the nearest training images", len(images)) as meter:
        for part, counts in units(count, parts(), str(images.device), thread_count()):
            counted.append(counts)
            meter.advance(len(part[0]))
    return {many: joined_counts(each) for many, each in zip(neighbours, zip(*counted, strict=True), strict=True)}


def _counts(shares: torch.Tensor, labels: torch.Tensor) -> ClassCounts:
    true = shares.gather(1, labels[:, None])
    ranked = shares.scatter(1, labels[:, None], torch.where(true > 0, true, -1.0))
    return class_counts(ranked, labels)._replace(true_score=true[:, 0])

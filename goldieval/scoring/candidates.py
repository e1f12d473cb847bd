"""The first stage of a two-stage search: the candidates of highest cosine of each query."""

from __future__ import annotations

from typing import NamedTuple

import torch

from goldieval.core.units import thread_count, units
from goldieval.metrics.ranks import Ranks
from goldieval.scoring.cosine import retrieval_ranks

QUERIES, GALLERY = 512, 8192  # a tile of the first stage


class Candidates(NamedTuple):
    """The first stage of one direction.

    Attributes:
        members: Gallery indices of each query's candidates, shape (queries, k), on the CPU.
        behind: Ranks by cosine, for queries without a positive among them.
    """

    members: torch.Tensor
    behind: Ranks


def nearest(queries: torch.Tensor, gallery: torch.Tensor, k: int) -> torch.Tensor:
    """Return the k gallery items of highest cosine for each query, shape (queries, k), or all if there are fewer.

    Args:
        queries: Unit vectors, shape (queries, dim).
        gallery: Unit vectors, shape (gallery, dim).
        k: Number of items per query.
    """

    def of(part: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return _nearest(part, gallery, min(k, len(gallery)))

    parts = units(of, torch.split(queries, QUERIES), str(queries.device), thread_count())
    return torch.cat([members for _, members in parts])


def _nearest(queries: torch.Tensor, gallery: torch.Tensor, k: int) -> torch.Tensor:
    best = torch.empty(len(queries), 0, device=queries.device)
    members = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    for start in range(0, len(gallery), GALLERY):
        scores = queries @ gallery[start : start + GALLERY].T
        found, rows = scores.topk(min(k, scores.shape[1]))
        best, members = torch.cat([best, found], 1), torch.cat([members, rows + start], 1)
        best, order = best.topk(min(k, best.shape[1]))
        members = members.gather(1, order)
    return members


def candidates(
    texts: torch.Tensor, images: torch.Tensor, k: int, positives: torch.Tensor
) -> tuple[Candidates, Candidates]:
    """Return the first stage of text to image and of image to text.

    Args:
        texts: Unit vectors, shape (texts, dim).
        images: Unit vectors, shape (images, dim).
        k: Number of candidates per query.
        positives: Pairs (text index, image index), shape (pairs, 2).
    """
    to_image, to_text = retrieval_ranks(texts, images, positives)
    return (
        Candidates(nearest(texts, images, k).cpu(), to_image),
        Candidates(nearest(images, texts, k).cpu(), to_text),
    )

"""The losses as plain formulas over whole tables, in the precision of their inputs: what blocks must add up to."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from goldieval.goldiclip.objectives.conditioned import foreign_captions
from goldieval.goldiclip.objectives.grouping import THRESHOLD
from goldieval.goldiclip.pooling import TextConditionedPool


def unit(rows: torch.Tensor) -> torch.Tensor:
    return F.normalize(rows, dim=-1)


def softmax(left: torch.Tensor, right: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """InfoNCE in both directions, averaged over all pairs of views."""
    right_is = torch.arange(len(left))
    tables = [scale * a @ b.T for a in left.unbind(1) for b in right.unbind(1)]
    return torch.stack([(F.cross_entropy(t, right_is) + F.cross_entropy(t.T, right_is)) / 2 for t in tables]).mean()


def sigmoid(images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    logits = scale * images @ unit(texts).flatten(0, 1).T + bias
    own = torch.arange(len(texts)).repeat_interleave(texts.shape[1]) == torch.arange(len(images))[:, None]
    return -F.logsigmoid(torch.where(own, logits, -logits)).sum() / len(logits[0])


def columns_of(draws: torch.Tensor, images: int, captions: int) -> torch.Tensor:
    """Indices of each image's own captions and of one of every other image, ascending, (images, images + k - 1)."""
    chosen = foreign_captions(draws, captions, 0, images).tolist()
    rows = []
    for i in range(images):
        foreign = [j * captions + chosen[i][j] for j in range(images) if j != i]
        rows.append(sorted(foreign + list(range(i * captions, (i + 1) * captions))))
    return torch.tensor(rows)


def draws_of(columns: torch.Tensor, captions: int) -> torch.Tensor:
    """Bytes that choose what ``columns`` say: the inverse of ``columns_of``."""
    images = len(columns)
    draws = torch.zeros(images, images + 8, dtype=torch.uint8)
    for i, line in enumerate(columns.tolist()):
        for image, place in (divmod(column, captions) for column in line):
            draws[i, image] = -(-place * 256 // captions)
    return draws


def conditioned(
    pool: TextConditionedPool,
    patches: torch.Tensor,
    texts: torch.Tensor,
    draws: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor,
) -> torch.Tensor:
    """Every query is projected once for each image."""
    images, captions = texts.shape[:2]
    columns = columns_of(draws, images, captions)
    chosen = texts.flatten(0, 1)[columns]
    logits = scale * (unit(pool(chosen, patches)) * unit(chosen)).sum(-1) + bias
    own = columns // captions == torch.arange(images)[:, None]
    return -F.logsigmoid(torch.where(own, logits, -logits)).sum() / (images + captions - 1)


def same_caption(
    student: torch.Tensor,
    texts: torch.Tensor,
    pool: TextConditionedPool,
    patches: torch.Tensor,
    scale: torch.Tensor,
    head: Callable[[torch.Tensor], torch.Tensor] = torch.clone,
) -> torch.Tensor:
    """Every caption pools every image, and what is pooled is held whole."""
    pooled = torch.stack([pool(text.expand(len(patches), -1, -1), patches) for text in texts])  # (b, images, k, d)
    logits = scale * torch.einsum("bvkd,bjkd->bvkj", unit(student), unit(head(pooled)))
    own = torch.arange(len(student))[:, None, None].expand(logits.shape[:-1])
    return F.cross_entropy(logits.flatten(0, 2), own.flatten())


def info_nce(student: torch.Tensor, teacher: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    logits = scale * unit(student) @ unit(teacher).T
    own = torch.arange(len(student))[:, None].expand(logits.shape[:-1])
    return F.cross_entropy(logits.flatten(0, 1), own.flatten())


def grouping(patches: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    patches = unit(patches)
    cosines = texts @ patches.transpose(1, 2)
    low, high = cosines.amin(-1, keepdim=True), cosines.amax(-1, keepdim=True)
    stretched = (cosines - low) / (high - low)
    kept = torch.where(stretched >= THRESHOLD, stretched, 0)
    grouped = unit(kept / kept.sum(-1, keepdim=True) @ patches)
    return softmax(grouped.flatten(0, 1)[:, None], texts.flatten(0, 1)[:, None], scale)


def decoding(states: torch.Tensor, targets: torch.Tensor, vocabulary: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(states @ vocabulary.T, targets, ignore_index=-100)


def token_classes(logits: torch.Tensor, ids: list[list[int]], weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy to the weighted, normalised k-hot target; a row without a target counts 0."""
    hot = torch.zeros_like(logits)
    for row, own in enumerate(ids):
        hot[row, own] = weights[own].to(logits.dtype)
    target = hot / hot.sum(1, keepdim=True).clamp_min(1e-12)
    return -(target * logits.log_softmax(1)).sum(1).mean()


def foils(scores: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """The true caption comes first; a group has so many candidates."""
    terms = [-row[:count].log_softmax(0)[0] for row, count in zip(scores, counts, strict=True) if count]
    return torch.stack(terms).mean()

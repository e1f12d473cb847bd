"""From logits to a class for every pixel: scaling, softmax over names, best name per class, thresholds, arg-max."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from goldieval.scoring.windows import SlidingLogits


@dataclass(frozen=True)
class Decision:
    """How classes are assigned to pixels (SCLIP's released pipeline).

    Attributes:
        owner: Class of each name, in ascending order, shape (names,).
        classes: Number of classes.
        scale: Factor applied to the logits.
        probability: Pixels whose best class has a lower probability become class 0.
        area: Classes other than 0 that are best on at most this fraction of all such pixels are removed.
    """

    owner: torch.Tensor
    classes: int
    scale: float = 40.0
    probability: float = 0.0
    area: float = 0.0


def segment(logits: SlidingLogits, decision: Decision) -> torch.Tensor:
    """Return the class of every pixel, int64, shape (height, width)."""
    if not decision.probability and not decision.area:
        return _best_names(logits, decision)
    kept = _large_enough(logits, decision) if decision.area else None
    found = torch.empty(logits.size, dtype=torch.int64, device=logits.patches.device)
    for rows, columns, tile in logits.tiles():
        scores = class_scores(tile, decision)
        if kept is not None:
            scores = scores * kept[:, None, None]
        best, classes = scores.max(0)
        found[rows, columns] = classes.masked_fill(best < decision.probability, 0)
    return found


def class_scores(logits: torch.Tensor, decision: Decision) -> torch.Tensor:
    """Return probabilities (classes, height, width) from logits (names, height, width): the maximum over its names."""
    names = (logits * decision.scale).softmax(0)
    if len(names) == decision.classes:
        return names
    scores = names.new_zeros(decision.classes, *names.shape[1:])
    return scores.scatter_reduce_(0, decision.owner[:, None, None].expand_as(names), names, "amax")


def _best_names(logits: SlidingLogits, decision: Decision) -> torch.Tensor:
    """Return the arg-max; without thresholds, scale and softmax do not change it and are omitted."""
    found = torch.empty(logits.size, dtype=torch.int64, device=logits.patches.device)
    for rows, columns, tile in logits.tiles():
        found[rows, columns] = decision.owner[tile.argmax(0)]
    return found


def _large_enough(logits: SlidingLogits, decision: Decision) -> torch.Tensor:
    """Return 1 for class 0 and for each class of sufficient area, else 0."""
    counts = torch.zeros(decision.classes, device=logits.patches.device)
    for _, _, tile in logits.tiles():
        best = class_scores(tile, decision).argmax(0).flatten()
        pixels = torch.zeros(decision.classes, dtype=torch.int64, device=best.device)
        counts += pixels.scatter_add_(0, best, torch.ones_like(best))  # bincount would wait for the device
    kept = counts > decision.area * counts[1:].sum()
    kept[0] = True
    return kept.float()

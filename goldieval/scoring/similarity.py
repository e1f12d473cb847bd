"""Image-text similarity as a task family sees it: ranks, whatever the scoring mode behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from goldieval.metrics.accuracy import ClassRanks
from goldieval.metrics.ranks import Ranks
from goldieval.scoring.conditioned import (
    ConditionedScorer,
    Pool,
    conditioned_classes,
    conditioned_pairs,
    conditioned_ranks,
)
from goldieval.scoring.cosine import check_widths, class_ranks, pair_scores, retrieval_ranks, unit


class Similarity(Protocol):
    """Scores of a task's images against its texts."""

    def retrieval(self, positives: torch.Tensor) -> tuple[Ranks, Ranks]:
        """Rank both ways; ``positives`` are pairs (text index, image index). Returns (text to image, image to text)."""

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
        """Rank the true class of every image and predict one.

        Args:
            prompts: (classes, prompts a class) text indices.   labels: (images,) class indices.
        """

    def pairs(self, image_rows: torch.Tensor, text_rows: torch.Tensor) -> torch.Tensor:
        """Score image ``image_rows[i]`` against text ``text_rows[i]``, float32, shape (pairs,)."""


@dataclass(frozen=True)
class GlobalSimilarity:
    """Cosine of one vector an image and one a text; images (n, dim) and texts (m, dim) are unit vectors."""

    images: torch.Tensor
    texts: torch.Tensor

    def retrieval(self, positives: torch.Tensor) -> tuple[Ranks, Ranks]:
        return retrieval_ranks(self.texts, self.images, positives.to(self.texts.device))

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
        check_widths(self.texts, self.images)
        vectors = ensemble(self.texts, prompts)
        return class_ranks(self.images, vectors, labels.to(self.images.device))

    def pairs(self, image_rows: torch.Tensor, text_rows: torch.Tensor) -> torch.Tensor:
        return pair_scores(self.texts, self.images, torch.stack([text_rows, image_rows], dim=1).to(self.texts.device))


@dataclass(frozen=True)
class ConditionedSimilarity:
    """Each image pooled for each text; patches (n, patches, dim), texts (m, dim) as the encoder gives them."""

    pool: Pool
    patches: torch.Tensor
    texts: torch.Tensor

    def retrieval(self, positives: torch.Tensor) -> tuple[Ranks, Ranks]:
        return conditioned_ranks(self.pool, self.texts, self.patches, positives.to(self.texts.device))

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
        """A class asks with its ensemble vector, at the length that this model's texts have."""
        length = self.texts.float().norm(dim=-1).mean()
        vectors = length * ensemble(unit(self.texts, "text"), prompts)
        return conditioned_classes(self.pool, vectors, self.patches, labels.to(self.texts.device))

    def pairs(self, image_rows: torch.Tensor, text_rows: torch.Tensor) -> torch.Tensor:
        pairs = torch.stack([text_rows, image_rows], dim=1).to(self.texts.device)
        return conditioned_pairs(ConditionedScorer(self.pool, self.texts), self.patches, pairs)


def ensemble(texts: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """Mean of each class's unit text vectors, normalised again, shape (classes, dim)."""
    return unit(texts[prompts.to(texts.device)].mean(dim=1), "class")

"""Image-text similarity as a task family sees it: ranks, whatever the scoring mode behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from goldieval.metrics.ranks import Ranks
from goldieval.scoring.conditioned import Pool, conditioned_classes, conditioned_ranks
from goldieval.scoring.cosine import check_widths, class_ranks, retrieval_ranks, unit


class Similarity(Protocol):
    """Scores of a task's images against its texts."""

    def retrieval(self, positives: torch.Tensor) -> tuple[Ranks, Ranks]:
        """Rank both ways; ``positives`` are pairs (text index, image index). Returns (text to image, image to text)."""

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> tuple[Ranks, np.ndarray]:
        """Rank the true class of every image and predict one.

        Args:
            prompts: (classes, prompts a class) text indices.   labels: (images,) class indices.
        """


@dataclass(frozen=True)
class GlobalSimilarity:
    """Cosine of one vector an image and one a text; images (n, dim) and texts (m, dim) are unit vectors."""

    images: torch.Tensor
    texts: torch.Tensor

    def retrieval(self, positives: torch.Tensor) -> tuple[Ranks, Ranks]:
        return retrieval_ranks(self.texts, self.images, positives.to(self.texts.device))

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> tuple[Ranks, np.ndarray]:
        check_widths(self.texts, self.images)
        vectors = ensemble(self.texts, prompts)
        return class_ranks(self.images, vectors, labels.to(self.images.device))


@dataclass(frozen=True)
class ConditionedSimilarity:
    """Each image pooled for each text; patches (n, patches, dim), texts (m, dim) as the encoder gives them."""

    pool: Pool
    patches: torch.Tensor
    texts: torch.Tensor

    def retrieval(self, positives: torch.Tensor) -> tuple[Ranks, Ranks]:
        return conditioned_ranks(self.pool, self.texts, self.patches, positives.to(self.texts.device))

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> tuple[Ranks, np.ndarray]:
        """A class asks with its ensemble vector, at the length that this model's texts have."""
        length = self.texts.float().norm(dim=-1).mean()
        vectors = length * ensemble(unit(self.texts, "text"), prompts)
        return conditioned_classes(self.pool, vectors, self.patches, labels.to(self.texts.device))


def ensemble(texts: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """Mean of each class's unit text vectors, normalised again, shape (classes, dim)."""
    return unit(texts[prompts.to(texts.device)].mean(dim=1), "class")

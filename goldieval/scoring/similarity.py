"""Image-text similarity as a task family sees it: ranks, whatever the scoring mode behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from goldieval.metrics.accuracy import ClassRanks
from goldieval.metrics.ranks import Ranks
from goldieval.scoring.audit import Audit, audit_classes, audit_images, audit_texts
from goldieval.scoring.conditioned import (
    Pool,
    conditioned_classes,
    conditioned_pairs,
    conditioned_ranks,
)
from goldieval.scoring.cosine import check_widths, class_ranks, pair_scores, retrieval_ranks, unit
from goldieval.scoring.shortlist import Stages, class_shortlists, shortlist_classes, shortlist_ranks, shortlists


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

    @property
    def audits(self) -> Mapping[str, Audit]:
        """What the ranks returned so far lose, by direction (t2i, i2t, i2c); empty where they are exact."""


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

    @property
    def audits(self) -> Mapping[str, Audit]:
        return {}


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
        _, vectors = self._class_vectors(prompts)
        return conditioned_classes(self.pool, vectors, self.patches, labels.to(self.texts.device))

    def pairs(self, image_rows: torch.Tensor, text_rows: torch.Tensor) -> torch.Tensor:
        pairs = torch.stack([text_rows, image_rows], dim=1).to(self.texts.device)
        return conditioned_pairs(self.pool, self.texts, self.patches, pairs)

    @property
    def audits(self) -> Mapping[str, Audit]:
        return {}

    def _class_vectors(self, prompts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each class's unit vector, and the same at the mean length of this model's texts."""
        vectors = ensemble(unit(self.texts, "text"), prompts)
        return vectors, self.texts.float().norm(dim=-1).mean() * vectors


@dataclass(frozen=True)
class ShortlistSimilarity(ConditionedSimilarity):
    """The ``k`` candidates of best cosine a query are scored again, text-conditioned; pairs are scored exactly.

    images: unit vectors (n, dim).   lost: what was measured of the loss, by direction.
    """

    images: torch.Tensor
    k: int
    lost: dict[str, Audit] = field(default_factory=dict)

    @property
    def audits(self) -> Mapping[str, Audit]:
        return self.lost

    def retrieval(self, positives: torch.Tensor) -> tuple[Ranks, Ranks]:
        """Rank both ways; a list that holds the whole gallery is exact, and nothing is to be measured of it."""
        if self.k >= max(len(self.texts), len(self.images)):
            return super().retrieval(positives)
        positives = positives.to(self.texts.device)
        stages = self._stages(unit(self.texts, "text"), self.texts)
        lists = shortlists(stages, self.k)
        ranks = shortlist_ranks(stages, lists, positives)
        if self.k < len(self.images):
            self.lost["t2i"] = audit_texts(stages, lists[0], ranks[0], positives)
        if self.k < len(self.texts):
            self.lost["i2t"] = audit_images(stages, lists[1], ranks[1], positives)
        return ranks

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
        """Each image chooses among its ``k`` classes of best cosine."""
        if self.k >= len(prompts):
            return super().classes(prompts, labels)
        stages, labels = self._stages(*self._class_vectors(prompts)), labels.to(self.texts.device)
        own = class_shortlists(stages, self.k)
        found = shortlist_classes(stages, own, labels)
        self.lost["i2c"] = audit_classes(stages, own, found.places, labels)
        return found

    def _stages(self, units: torch.Tensor, texts: torch.Tensor) -> Stages:
        check_widths(units, self.images)
        return Stages(self.pool, self.images, units, self.patches, texts)


def ensemble(texts: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """Mean of each class's unit text vectors, normalised again, shape (classes, dim)."""
    return unit(texts[prompts.to(texts.device)].mean(dim=1), "class")

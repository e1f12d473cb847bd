"""The similarities of each scoring mode: cosines, text-conditioned scores, and the latter on a shortlist."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.core.units import one_thread
from goldieval.metrics.accuracy import ClassRanks
from goldieval.metrics.confidences import CLASSWISE, columns_of
from goldieval.metrics.ranks import Ranks
from goldieval.scoring.audit import Audit, audit_classes, audit_images, audit_texts
from goldieval.scoring.blocks import PatchBlocks
from goldieval.scoring.candidates import candidates, nearest
from goldieval.scoring.classwise import classwise_gaps
from goldieval.scoring.conditioned import Pool
from goldieval.scoring.conditioned_ranks import conditioned_classes, conditioned_ranks
from goldieval.scoring.cosine import (
    check_widths,
    class_ranks,
    counted_classes,
    pair_scores,
    retrieval_ranks,
    unit,
)
from goldieval.scoring.listed import conditioned_pairs
from goldieval.scoring.shortlist import (
    Exact,
    class_shortlists,
    shortlist_classes,
    shortlist_ranks,
    shortlists,
)
from goldieval.scoring.similarity import Similarity

Chosen = TypeVar("Chosen")
NOT_SHORTLISTED = (
    "its metrics need the rank of every positive, which a shortlist does not know: use --scoring conditioned or global."
)


@dataclass
class GlobalSimilarity:
    """Cosine of one vector per image and one per text.

    Attributes:
        images: Unit vectors, shape (images, dim).
        texts: Unit vectors, shape (texts, dim).
        factor: Factor of the cosines before a softmax; None if the model has none.
        probabilities: See ``Similarity``; ``classes`` adds to it.
    """

    images: torch.Tensor
    texts: torch.Tensor
    factor: float | None = None
    probabilities: dict[str, np.ndarray] = field(default_factory=dict, init=False)

    def retrieval(self, positives: torch.Tensor, all_positives: bool = False) -> tuple[Ranks, Ranks]:
        return retrieval_ranks(self.texts, self.images, positives.to(self.texts.device), all_positives)

    def among(self, texts: torch.Tensor, images: torch.Tensor) -> GlobalSimilarity:
        device = self.texts.device
        return GlobalSimilarity(self.images[images.to(device)], self.texts[texts.to(device)])

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
        check_widths(self.texts, self.images)
        vectors = ensemble(self.texts, prompts)
        counts = counted_classes(self.images, vectors, labels.to(self.images.device), self.factor)
        if self.factor is not None:
            gaps = classwise_gaps(self.images, labels, len(vectors), self.factor, lambda rows: rows @ vectors.T)
            self.probabilities = columns_of(counts.probability) | {CLASSWISE: gaps.astype(np.float32)}
        return counts.ranks(len(vectors))

    def pairs(self, image_rows: torch.Tensor, text_rows: torch.Tensor) -> torch.Tensor:
        return pair_scores(self.texts, self.images, torch.stack([text_rows, image_rows], dim=1).to(self.texts.device))

    def of_classes(self, prompts: torch.Tensor) -> GlobalSimilarity:
        return GlobalSimilarity(self.images, ensemble(self.texts, prompts), self.factor)

    def blind_pairs(self, text_rows: torch.Tensor) -> torch.Tensor:
        pairs = torch.stack([text_rows, torch.zeros_like(text_rows)], dim=1)
        return pair_scores(self.texts, mean_direction(self.images), pairs.to(self.texts.device))

    def text_pairs(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return pair_scores(self.texts, self.texts, torch.stack([first, second], dim=1).to(self.texts.device))

    @property
    def audits(self) -> Mapping[str, Audit]:
        return {}


@dataclass
class ConditionedSimilarity:
    """Each image pooled for each text. Every process of the group asks for the same, and gets the whole answer.

    Attributes:
        pool: The model's pooling.
        blocks: Patch tokens of all images, divided among the processes.
        texts: Text vectors as encoded, shape (texts, dim).
        factor: Factor of the scores before a softmax; None if the model has none.
        audits: Losses of the ranks returned so far, by direction; empty here, because ranks are exact.
        probabilities: See ``Similarity``; ``classes`` adds to it.
    """

    pool: Pool
    blocks: PatchBlocks
    texts: torch.Tensor
    factor: float | None = field(default=None, kw_only=True)
    audits: dict[str, Audit] = field(default_factory=dict, init=False)
    probabilities: dict[str, np.ndarray] = field(default_factory=dict, init=False)

    def retrieval(self, positives: torch.Tensor, all_positives: bool = False) -> tuple[Ranks, Ranks]:
        return conditioned_ranks(self.pool, self.texts, self.blocks, positives.to(self.texts.device), all_positives)

    def among(self, texts: torch.Tensor, images: torch.Tensor) -> Similarity:
        return ConditionedSimilarity(self.pool, self.blocks.among(images), self.texts[texts.to(self.texts.device)])

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
        """Rank classes; a class is queried by its ensemble vector, scaled to the length of this model's texts."""
        _, vectors = self._class_vectors(prompts)
        labels = labels.to(self.texts.device)
        counts = conditioned_classes(self.pool, vectors, self.blocks, labels, self.factor)
        self.probabilities = columns_of(counts.probability)
        return counts.ranks(len(vectors))

    def pairs(self, image_rows: torch.Tensor, text_rows: torch.Tensor) -> torch.Tensor:
        pairs = torch.stack([text_rows, image_rows], dim=1).to(self.texts.device)
        return conditioned_pairs(self.pool, self.texts, self.blocks, pairs)

    def of_classes(self, prompts: torch.Tensor) -> Similarity:
        return ConditionedSimilarity(self.pool, self.blocks, self._class_vectors(prompts)[1], factor=self.factor)

    def text_pairs(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        texts = unit(self.texts, "text")
        return pair_scores(texts, texts, torch.stack([first, second], dim=1).to(texts.device))

    def _class_vectors(self, prompts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each class's unit vector, and the same scaled to the mean length of this model's texts."""
        vectors = ensemble(unit(self.texts, "text"), prompts)
        with one_thread():
            return vectors, self.texts.float().norm(dim=-1).mean() * vectors


@dataclass
class ShortlistSimilarity(ConditionedSimilarity):
    """The ``k`` candidates of highest cosine per query are re-scored, text-conditioned; pairs are scored exactly.

    Attributes:
        images: Unit vectors, shape (images, dim), on rank 0, which chooses the candidates; None on the other ranks.
        k: Length of a shortlist.
        audits: Losses of the ranks returned so far, by direction; ``retrieval`` and ``classes`` add to it.
    """

    images: torch.Tensor | None
    k: int

    def retrieval(self, positives: torch.Tensor, all_positives: bool = False) -> tuple[Ranks, Ranks]:
        """Rank both directions; if a shortlist holds the whole gallery, ranks are exact and there is no loss.

        Raises:
            TaskError: All positives are to be ranked, of which a shortlist may lack some.
        """
        if self.k >= max(len(self.texts), len(self.blocks)):
            return super().retrieval(positives, all_positives)
        if all_positives:
            raise TaskError(NOT_SHORTLISTED)
        positives = positives.to(self.texts.device)
        exact, texts = Exact(self.pool, self.texts, self.blocks), unit(self.texts, "text")
        first = self._of_rank_0(texts, lambda images: candidates(texts, images, self.k, positives))
        lists = shortlists(exact, *(stage.members for stage in first))
        ranks = shortlist_ranks(lists, first, positives)
        if self.k < len(self.blocks):
            self.audits["t2i"] = audit_texts(exact, lists[0], ranks[0], positives)
        if self.k < len(self.texts):
            self.audits["i2t"] = audit_images(exact, lists[1], ranks[1], positives)
        return ranks

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
        """Rank classes; each image chooses among its ``k`` classes of highest cosine."""
        if self.k >= len(prompts):
            return super().classes(prompts, labels)
        labels = labels.to(self.texts.device)
        classes, vectors = self._class_vectors(prompts)
        exact = Exact(self.pool, vectors, self.blocks)
        members, behind = self._of_rank_0(
            classes, lambda images: (nearest(images, classes, self.k).cpu(), class_ranks(images, classes, labels))
        )
        own = class_shortlists(exact, members)
        found = shortlist_classes(own, behind, labels)
        self.audits["i2c"] = audit_classes(exact, own, found.places, labels)
        return found

    def _of_rank_0(self, texts: torch.Tensor, compute: Callable[[torch.Tensor], Chosen]) -> Chosen:
        """Return what rank 0 computes from the image vectors: only one process may decide what all of them score."""
        if self.images is None:
            return self.blocks.group.broadcast(cast(Chosen, None))
        check_widths(texts, self.images)
        return self.blocks.group.broadcast(compute(self.images))


def mean_direction(vectors: torch.Tensor) -> torch.Tensor:
    """Return the direction of the mean of unit vectors, shape (1, dim); zeros, with which all scores tie, without one.

    >>> [round(each, 4) for each in mean_direction(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))[0].tolist()]
    [0.7071, 0.7071]
    """
    with one_thread():
        return torch.nn.functional.normalize(vectors.mean(dim=0, keepdim=True), eps=1e-6)


def ensemble(texts: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """Return the mean of each class's unit text vectors, normalised again, shape (classes, dim)."""
    with one_thread():
        means = texts[prompts.to(texts.device)].mean(dim=1)
    return unit(means, "class")

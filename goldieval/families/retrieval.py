"""Image-text retrieval: recall at k in both directions. A query is a hit if any of its positives is in the top k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import check_strata, masks, median_metric, metric, ties_of
from goldieval.families.approximation import Direction, approximations, loss_warnings
from goldieval.families.base import Prepared, Scored, params_of
from goldieval.families.similarity import SimilarityFamily
from goldieval.metrics.intervals import clustered_means, clustered_median
from goldieval.metrics.ranks import Ranks
from goldieval.records.parts import MeasuredMetric
from goldieval.scoring.similarity import Similarity
from goldieval.tasks.card import Task
from goldieval.tasks.params import RetrievalParams


@dataclass(kw_only=True)
class RetrievalPrepared(Prepared[RetrievalParams]):
    """Images and texts that retrieve each other.

    Attributes:
        positives: pairs (text index, image index), shape (pairs, 2).
        owner: index of the image that each text was written for, shape (texts,).
    """

    positives: np.ndarray
    owner: np.ndarray


class Retrieval(SimilarityFamily[RetrievalPrepared]):
    """Recall at k and ranks, text to image and image to text."""

    def prepare(self, task: Task, dataset: Dataset) -> RetrievalPrepared:
        """Check that the data have pairs of texts and images. Raises TaskError if not."""
        params = params_of(task, RetrievalParams)
        if dataset.positives is None or dataset.owner is None:
            raise TaskError("retrieval needs captions, but the data have none: name the caption column in `source`.")
        if not dataset.texts:
            raise TaskError(f"no text belongs to these {len(dataset.images):,} images: take more of them.")
        check_strata(dataset, params.strata)
        if len(dataset.positives) == 0:
            raise TaskError("no text describes any of the images: check the positives of the data.")
        return RetrievalPrepared(
            task=task,
            params=params,
            dataset=dataset,
            texts=dataset.texts,
            positives=dataset.positives,
            owner=dataset.owner,
        )

    def score(self, prepared: RetrievalPrepared, evidence: Similarity) -> Scored:
        """Rank in both directions. Texts are clustered by the image they were written for, each image is a cluster."""
        dataset, params, owner = prepared.dataset, prepared.params, prepared.owner
        t2i, i2t = evidence.retrieval(torch.as_tensor(prepared.positives))
        text_ids = [text.id for text in dataset.texts]
        image_ids = [image.id for image in dataset.images]
        sides = [
            _Side("t2i", t2i, text_ids, owner, dataset, params.strata),
            _Side("i2t", i2t, image_ids, np.arange(len(image_ids)), dataset),
        ]
        ceiling = prepared.task.card.ceiling
        metrics = {name: value for side in sides for name, value in side.metrics(params.k, ceiling).items()}
        ties, warnings = ties_of([side.ranks for side in sides], params.k)
        tables = [side.outcomes() for side in sides]
        outcomes = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        clusters = {"t2i": owner, "i2t": np.arange(len(image_ids))}
        losses = approximations(
            evidence.audits,
            {side: Direction({f"{side}_r{k}": k for k in params.k}, units) for side, units in clusters.items()},
        )
        return Scored(metrics, outcomes, ties, [*loss_warnings(losses), *warnings], losses)


FAMILY = Retrieval()


class _Side:
    """One direction, without queries that have no positive (such as images of the gallery without a text)."""

    def __init__(
        self, name: str, ranks: Ranks, ids: list[str], owner: np.ndarray, dataset: Dataset, strata: Sequence[str] = ()
    ) -> None:
        has_positive = ranks.positives > 0
        image_ids = np.asarray([image.id for image in dataset.images], dtype=object)
        self.name, self.ranks = name, ranks.of(has_positive)
        self._dataset, self._owner = dataset, owner[has_positive]
        self._ids = np.asarray(ids, dtype=object)[has_positive]
        self._clusters = image_ids[self._owner]
        self._texts = np.flatnonzero(has_positive) if name == "t2i" else None
        self._strata = {stratum: mask[has_positive] for stratum, mask in masks(dataset, strata).items()}

    def metrics(self, k: list[int], ceiling: float | None) -> dict[str, MeasuredMetric]:
        ranks = self.ranks
        _, clusters = np.unique(self._clusters.astype(str), return_inverse=True)
        rank_ends = (1.0, float(ranks.gallery))
        columns = np.stack([*(ranks.hits(cut) for cut in k), ranks.expected()], axis=1)
        *recalls, mean_rank = clustered_means(columns, clusters, [*[(0.0, 1.0)] * len(k), rank_ends])
        result = {
            f"{self.name}_r{cut}": metric(recall, ranks.chance(cut), ceiling)
            for cut, recall in zip(k, recalls, strict=True)
        }
        median = clustered_median(ranks.expected(), clusters, rank_ends)
        result[f"{self.name}_mean_rank"] = metric(mean_rank, float(ranks.chance_rank().mean()))
        result[f"{self.name}_median_rank"] = median_metric(median)
        for stratum, mask in self._strata.items():
            part = ranks.of(mask)
            apart = clustered_means(
                np.stack([part.hits(cut) for cut in k], axis=1), clusters[mask], [(0.0, 1.0)] * len(k)
            )
            for cut, recall in zip(k, apart, strict=True):
                result[f"{self.name}_r{cut}_{stratum}"] = metric(recall, part.chance(cut), ceiling)
        return result

    def outcomes(self) -> dict[str, np.ndarray]:
        images, texts, count = self._dataset.images, self._dataset.texts, len(self._ids)
        queries = [""] * count if self._texts is None else [texts[row].text for row in self._texts]
        return {
            "direction": np.full(count, self.name, dtype=object),
            "sample_id": self._ids,
            "cluster_id": self._clusters,
            "rank_low": self.ranks.low,
            "rank_high": self.ranks.high,
            "tied_positives": self.ranks.tied_positives,
            "positives": self.ranks.positives,
            "image": np.asarray([images[row].path for row in self._owner], dtype=object),
            "text": np.asarray(queries, dtype=object),
        }

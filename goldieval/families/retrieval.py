"""Image-text retrieval: recall at k both ways, a query hit if any of its positives is in the first k."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.approximation import Direction, approximations, told
from goldieval.families.base import Prepared, Scored, check_strata, masks, median_metric, metric, ties_of
from goldieval.metrics.intervals import clustered_means, clustered_median
from goldieval.metrics.ranks import Ranks
from goldieval.records.parts import MeasuredMetric
from goldieval.scoring.similarity import Similarity
from goldieval.tasks.card import Task
from goldieval.tasks.params import RetrievalParams

SUMMARY = ("t2i_r1", "t2i_r5", "i2t_r1", "i2t_r5")


def prepare(task: Task, dataset: Dataset) -> Prepared:
    """Check that the data pair texts with images. Raises TaskError."""
    params = task.card.params
    assert isinstance(params, RetrievalParams)
    if dataset.positives is None or dataset.owner is None:
        raise TaskError("retrieval needs captions, but the data have none: name the caption column in `source`.")
    if not dataset.texts:
        raise TaskError(f"no text speaks of these {len(dataset.images):,} images: take more of them.")
    check_strata(dataset, params.strata)
    if len(dataset.positives) == 0:
        raise TaskError("no text is true of any image.")
    return Prepared(task, dataset, dataset.texts)


def score(prepared: Prepared, similarity: Similarity) -> Scored:
    """Rank both ways. Texts are clustered by the image that they were written for; images are their own clusters."""
    dataset, params = prepared.dataset, prepared.task.card.params
    assert isinstance(params, RetrievalParams) and dataset.positives is not None and dataset.owner is not None
    t2i, i2t = similarity.retrieval(torch.as_tensor(dataset.positives))
    text_ids = [text.id for text in dataset.texts]
    image_ids = [image.id for image in dataset.images]
    sides = [
        _Side("t2i", t2i, text_ids, [image_ids[owner] for owner in dataset.owner], dataset, params.strata),
        _Side("i2t", i2t, image_ids, image_ids, dataset),
    ]
    ceiling = prepared.task.card.ceiling
    metrics = {name: value for side in sides for name, value in side.metrics(params.k, ceiling).items()}
    ties, warnings = ties_of([side.ranks for side in sides], params.k)
    tables = [side.outcomes() for side in sides]
    outcomes = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    clusters = {"t2i": dataset.owner, "i2t": np.arange(len(image_ids))}
    lost = approximations(
        similarity.audits,
        {side: Direction({f"{side}_r{k}": k for k in params.k}, units) for side, units in clusters.items()},
    )
    return Scored(metrics, outcomes, ties, [*told(lost), *warnings], lost)


class _Side:
    """One direction, without the queries that have no positive (ids of a gallery that no text speaks of)."""

    def __init__(
        self, name: str, ranks: Ranks, ids: list[str], clusters: list[str], dataset: Dataset, strata: Sequence[str] = ()
    ) -> None:
        asked = ranks.positives > 0
        self.name, self._dataset = name, dataset
        self._rows = np.flatnonzero(asked)
        self.ranks = ranks.of(asked)
        self._ids = np.asarray(ids, dtype=object)[asked]
        self._clusters = np.asarray(clusters, dtype=object)[asked]
        self._strata = {stratum: mask[asked] for stratum, mask in masks(dataset, strata).items()}

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
        images, texts = self._dataset.images, self._dataset.texts
        by_text = self.name == "t2i"
        owner = self._dataset.owner if by_text else np.arange(len(images))
        assert owner is not None
        return {
            "direction": np.full(len(self._rows), self.name, dtype=object),
            "sample_id": self._ids,
            "cluster_id": self._clusters,
            "rank_low": self.ranks.low,
            "rank_high": self.ranks.high,
            "tied_positives": self.ranks.tied_positives,
            "positives": self.ranks.positives,
            "image": np.asarray([images[owner[row]].path for row in self._rows], dtype=object),
            "text": np.asarray([texts[row].text if by_text else "" for row in self._rows], dtype=object),
        }

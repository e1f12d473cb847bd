"""Image-text retrieval: recall at k in both directions. A query is a hit if any of its positives is in the top k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import check_strata, measure, strata_columns, ties_of
from goldieval.families.answers import answer_columns, strata_lists
from goldieval.families.approximation import Direction, approximations, loss_warnings
from goldieval.families.base import Prepared, Scored, params_of
from goldieval.families.similarity import SimilarityFamily
from goldieval.metrics.ranks import Ranks
from goldieval.scoring.audit import Audit
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


@dataclass(frozen=True)
class RetrievalEvidence:
    """Ranks of both directions.

    Attributes:
        t2i: text to image.
        i2t: image to text.
        audits: losses of a shortlist by direction; empty if the ranks are exact.
    """

    t2i: Ranks
    i2t: Ranks
    audits: Mapping[str, Audit]


class Retrieval(SimilarityFamily[RetrievalPrepared, RetrievalEvidence]):
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

    def compare(self, prepared: RetrievalPrepared, similarity: Similarity) -> RetrievalEvidence:
        """Rank in both directions."""
        t2i, i2t = similarity.retrieval(torch.as_tensor(prepared.positives))
        return RetrievalEvidence(t2i, i2t, similarity.audits)

    def score(self, prepared: RetrievalPrepared, evidence: RetrievalEvidence) -> Scored:
        """Compute recalls. Texts are clustered by the image they were written for, each image is a cluster."""
        dataset, params, owner = prepared.dataset, prepared.params, prepared.owner
        text_ids = [text.id for text in dataset.texts]
        image_ids = [image.id for image in dataset.images]
        strata = strata_columns(dataset, params.strata)
        no_strata = {name: np.zeros(len(image_ids), dtype=bool) for name in strata}  # they are groups of texts
        sides = [
            _Side("t2i", evidence.t2i, text_ids, owner, dataset, strata),
            _Side("i2t", evidence.i2t, image_ids, np.arange(len(image_ids)), dataset, no_strata),
        ]
        ties, warnings = ties_of([side.ranks for side in sides], params.k)
        outcomes, context = (_concatenated(tables) for tables in zip(*(side.columns() for side in sides), strict=True))
        context["cluster"] = np.unique(outcomes["cluster_id"].astype(str), return_inverse=True)[1]
        metrics = measure(prepared.task, outcomes, context)
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
        self,
        name: str,
        ranks: Ranks,
        ids: list[str],
        owner: np.ndarray,
        dataset: Dataset,
        strata: Mapping[str, np.ndarray],
    ) -> None:
        has_positive = ranks.positives > 0
        image_ids = np.asarray([image.id for image in dataset.images], dtype=object)
        self.name, self.ranks = name, ranks.of(has_positive)
        self._dataset, self._owner = dataset, owner[has_positive]
        self._ids = np.asarray(ids, dtype=object)[has_positive]
        self._clusters = image_ids[self._owner]
        self._texts = np.flatnonzero(has_positive) if name == "t2i" else None
        self._strata = {stratum: mask[has_positive] for stratum, mask in strata.items()}
        groups = strata_lists(dataset) if name == "t2i" else _no_groups(dataset)
        self._groups = {column: lists[has_positive] for column, lists in groups.items()}

    def columns(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the columns of the outcomes, and those that only metrics need."""
        images, texts, count = self._dataset.images, self._dataset.texts, len(self._ids)
        queries = [""] * count if self._texts is None else [texts[row].text for row in self._texts]
        gallery = (
            ([text.id for text in texts], [text.text for text in texts])
            if self._texts is None
            else ([image.id for image in images], [image.path for image in images])
        )
        outcomes = {
            "direction": np.full(count, self.name, dtype=object),
            "sample_id": self._ids,
            "cluster_id": self._clusters,
            "rank_low": self.ranks.low,
            "rank_high": self.ranks.high,
            "tied_positives": self.ranks.tied_positives,
            "positives": self.ranks.positives,
            "image": np.asarray([images[row].path for row in self._owner], dtype=object),
            "text": np.asarray(queries, dtype=object),
            **answer_columns(self.ranks.answers, *gallery),
            **self._groups,
        }
        return outcomes, {"gallery": np.full(count, self.ranks.gallery), **self._strata}


def _no_groups(dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the column of groups for images as queries, which are in none."""
    column = np.empty(len(dataset.images), dtype=object)
    column[:] = [[] for _ in dataset.images]
    return {"strata": column} if dataset.strata else {}


def _concatenated(tables: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}

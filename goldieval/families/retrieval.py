"""Image-text retrieval in both directions: recall at k, and what a card asks for that needs the ranks of all positives.

A query is a hit at k if any of its positives is among the first k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goldieval.core.errors import NotApplicableError, TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import check_strata, measure, ties_of
from goldieval.families.approximation import Direction, approximations, loss_warnings
from goldieval.families.base import Scored, params_of
from goldieval.families.galleries import galleries, ranked
from goldieval.families.retrieval_queries import RetrievalPrepared, image_side, text_side
from goldieval.families.similarity import SimilarityFamily
from goldieval.metrics.ranks import Ranks
from goldieval.scoring.audit import Audit
from goldieval.scoring.mode import shortlist_size
from goldieval.scoring.similarities import NOT_SHORTLISTED
from goldieval.scoring.similarity import Similarity
from goldieval.tasks.card import Task
from goldieval.tasks.retrieval_params import RetrievalParams


@dataclass(frozen=True)
class RetrievalEvidence:
    """Ranks of both directions, of the queries of one gallery after the other.

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
            galleries=galleries(dataset, params),
        )

    def check_mode(self, prepared: RetrievalPrepared, mode: str) -> None:
        """Refuse a shortlist where metrics need the rank of every positive, or the galleries are parts of the data."""
        if not shortlist_size(mode):
            return
        if prepared.all_positives:
            raise NotApplicableError(NOT_SHORTLISTED)
        if len(prepared.galleries) > 1:
            raise NotApplicableError(
                "its folds or languages are ranked apart, which a shortlist does not do: "
                "use --scoring conditioned or global."
            )

    def compare(self, prepared: RetrievalPrepared, similarity: Similarity) -> RetrievalEvidence:
        """Rank in both directions."""
        t2i, i2t = ranked(similarity, prepared.positives, prepared.galleries, prepared.all_positives)
        return RetrievalEvidence(t2i, i2t, similarity.audits)

    def score(self, prepared: RetrievalPrepared, evidence: RetrievalEvidence) -> Scored:
        """Compute recalls. Texts are clustered by the image they were written for, each image is a cluster."""
        params, owner = prepared.params, prepared.owner
        sides = [text_side(prepared, evidence.t2i), image_side(prepared, evidence.i2t)]
        if not all(len(side.rows) for side in sides):
            raise TaskError("no query of a direction is left among these images: take more of them.")
        ties, warnings = ties_of([side.ranks for side in sides], params.k)
        outcomes, context = (
            _concatenated(tables) for tables in zip(*(side.columns(prepared) for side in sides), strict=True)
        )
        context["cluster"] = np.unique(outcomes["cluster_id"].astype(str), return_inverse=True)[1]
        metrics = measure(prepared.task, outcomes, context)
        clusters = {"t2i": owner, "i2t": np.arange(len(prepared.dataset.images))}
        losses = approximations(
            evidence.audits,
            {side: Direction({f"{side}_r{k}": k for k in params.k}, units) for side, units in clusters.items()},
        )
        return Scored(metrics, outcomes, ties, [*loss_warnings(losses), *warnings], losses)


FAMILY = Retrieval()


def _concatenated(tables: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}

"""Choice: one of a few image-text pairs is true, and a query is right if the model scores that pair highest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import accuracies, check_strata, masks, metric, ties_of
from goldieval.families.base import Prepared, Scored, params_of
from goldieval.families.similarity import SimilarityFamily
from goldieval.metrics.accuracy import true_class_ranks
from goldieval.metrics.intervals import clustered_mean_of_groups, clustered_means
from goldieval.records.parts import MeasuredMetric
from goldieval.scoring.similarity import Similarity
from goldieval.tasks.card import Task
from goldieval.tasks.params import ChoiceParams


@dataclass(kw_only=True)
class ChoicePrepared(Prepared[ChoiceParams]):
    """Queries with a few candidates each.

    Attributes:
        choices: candidates of each query as pairs (image index, text index), the true one first, shape
            (queries, candidates, 2).
        sets: index of the set to which each query belongs, shape (queries,); None if sets are not scored.
    """

    choices: np.ndarray
    sets: np.ndarray | None = None


class Choice(SimilarityFamily[ChoicePrepared]):
    """Accuracy of choosing the true image-text pair among a few."""

    def prepare(self, task: Task, dataset: Dataset) -> ChoicePrepared:
        """Check that the data have candidates to choose from. Raises TaskError if not."""
        params = params_of(task, ChoiceParams)
        if dataset.choices is None or dataset.owner is None:
            raise TaskError("choice needs candidates, but the data have none: use a reader of pairs, such as contrast.")
        if not len(dataset.choices):
            raise TaskError(f"no query is about these {len(dataset.images):,} images: take more of them.")
        check_strata(dataset, params.strata)
        if params.sets and dataset.sets is None:
            raise TaskError("params.sets: these data have no sets of queries.")
        return ChoicePrepared(
            task=task,
            params=params,
            dataset=dataset,
            texts=dataset.texts,
            choices=dataset.choices,
            sets=dataset.sets if params.sets else None,
        )

    def score(self, prepared: ChoicePrepared, evidence: Similarity) -> Scored:
        """Score every candidate. Queries about the same image form a cluster.

        Ties count as their expected value, since arg-max would always choose the true pair, which comes first.
        """
        dataset, ceiling = prepared.dataset, prepared.task.card.ceiling
        images, texts = prepared.choices[..., 0], prepared.choices[..., 1]
        scores = evidence.pairs(torch.as_tensor(images.ravel()), torch.as_tensor(texts.ravel())).view(images.shape)
        true = torch.zeros(len(images), dtype=torch.int64, device=scores.device)  # the true pair comes first
        ranks, predictions, _ = true_class_ranks(scores, true)
        chance = np.full(len(images), 1 / images.shape[1])
        strata = masks(dataset, prepared.params.strata)
        ties, warnings = ties_of([ranks], [1])
        image_ids = np.array([dataset.images[row].id for row in images[:, 0]], dtype=object)
        text_ids = np.array([dataset.texts[row].id for row in texts[:, 0]], dtype=object)
        by_image = (images == images[:, :1]).all(axis=1)  # one image, several texts; else one text, several images
        outcomes = {
            "direction": np.where(by_image, "i2t", "t2i").astype(object),
            "sample_id": np.where(by_image, text_ids, image_ids),
            "cluster_id": image_ids,
            "prediction": predictions,
            "rank_low": ranks.low,
            "rank_high": ranks.high,
            "image": np.asarray([dataset.images[row].path for row in images[:, 0]], dtype=object),
            "text": np.asarray([dataset.texts[row].text for row in texts[:, 0]], dtype=object),
        }
        hits = ranks.hits(1)
        metrics = accuracies(hits, images[:, 0], chance, strata, ceiling)
        if len(strata) > 1:
            metrics["mean_accuracy"] = _mean_over(strata, hits, images[:, 0], chance, ceiling)
        if prepared.sets is not None:
            metrics |= _set_scores(hits, by_image, prepared.sets, ceiling)
        return Scored(metrics, outcomes, ties, warnings)


FAMILY = Choice()


def _mean_over(
    strata: Mapping[str, np.ndarray], hits: np.ndarray, clusters: np.ndarray, chance: np.ndarray, ceiling: float | None
) -> MeasuredMetric:
    """Return the mean of the accuracies of the strata, all with the same weight."""
    rows = np.concatenate([np.flatnonzero(mask) for mask in strata.values()])
    groups = np.repeat(np.arange(len(strata)), [int(mask.sum()) for mask in strata.values()])
    guess = float(np.mean([chance[mask].mean() for mask in strata.values()]))
    return metric(clustered_mean_of_groups(hits[rows], groups, clusters[rows]), guess, ceiling)


def _set_scores(
    hits: np.ndarray, by_image: np.ndarray, sets: np.ndarray, ceiling: float | None
) -> dict[str, MeasuredMetric]:
    """Return Winoground's scores: a set is right if all its queries are.

    A set has two images and two texts. The text score covers the two queries that choose a text for an image, the image
    score those that choose an image for a text, and the group score all four. Ties are broken at random, independently
    for each query. Chance is that of four scores in random order: the two queries of one side are right in 6 of 24
    orders, all four in 4 of them.

    Args:
        hits: probability that each query is right, shape (queries,).
        by_image: whether each query chooses a text for an image, shape (queries,).
        sets: index of the set of each query, shape (queries,).
        ceiling: best possible score, if it is known.
    """
    _, set_of = np.unique(sets, return_inverse=True)
    sides = {"text_score": by_image, "image_score": ~by_image, "group_score": np.ones(len(hits), dtype=bool)}
    chances = {"text_score": 6 / 24, "image_score": 6 / 24, "group_score": 4 / 24}
    scores = {}
    for name, side in sides.items():
        right = np.ones(int(set_of.max()) + 1)
        np.multiply.at(right, set_of[side], hits[side])
        (mean,) = clustered_means(right[:, None], np.arange(len(right)), [(0.0, 1.0)])
        scores[name] = metric(mean, chances[name], ceiling)
    return scores

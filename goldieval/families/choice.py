"""Choice: among a few image-text pairs one is true; a query is right if the model scores that one highest."""

from __future__ import annotations

import numpy as np
import torch

from goldieval.card import Task
from goldieval.data.samples import Dataset
from goldieval.errors import TaskError
from goldieval.families.base import Prepared, Scored, accuracies, check_strata, masks, ties_of
from goldieval.families.params import ChoiceParams
from goldieval.metrics.accuracy import true_class_ranks
from goldieval.scoring.similarity import Similarity

SUMMARY = ("accuracy",)


def prepare(task: Task, dataset: Dataset) -> Prepared:
    """Check that the data have candidates to choose from. Raises TaskError."""
    params = task.card.params
    assert isinstance(params, ChoiceParams)
    if dataset.choices is None or dataset.owner is None:
        raise TaskError("choice needs candidates, but the data have none: this reader makes no true and false pairs.")
    if not len(dataset.choices):
        raise TaskError(f"nothing is to be chosen about these {len(dataset.images):,} images: take more of them.")
    check_strata(dataset, params.strata)
    return Prepared(task, dataset, dataset.texts)


def score(prepared: Prepared, similarity: Similarity) -> Scored:
    """Score every candidate; queries about one image are one cluster.

    Ties count as their expected value: the true pair comes first, so that arg-max would give it all of them.
    """
    dataset, card = prepared.dataset, prepared.task.card
    assert isinstance(card.params, ChoiceParams) and dataset.choices is not None
    images, texts = dataset.choices[..., 0], dataset.choices[..., 1]
    scores = similarity.pairs(torch.as_tensor(images.ravel()), torch.as_tensor(texts.ravel())).view(images.shape)
    true = torch.zeros(len(images), dtype=torch.int64, device=scores.device)  # the true pair comes first
    ranks, predictions, _ = true_class_ranks(scores, true)
    chance = np.full(len(images), 1 / images.shape[1])
    strata = masks(dataset, card.params.strata)
    ties, warnings = ties_of([ranks], [1])
    asked = np.array([dataset.images[row].id for row in images[:, 0]], dtype=object)
    by_image = (images == images[:, :1]).all(axis=1)  # one image, several texts; else one text, several images
    spoken = np.array([dataset.texts[row].id for row in texts[:, 0]], dtype=object)
    outcomes = {
        "direction": np.where(by_image, "i2t", "t2i").astype(object),
        "sample_id": np.where(by_image, spoken, asked),
        "cluster_id": asked,
        "prediction": predictions,
        "rank_low": ranks.low,
        "rank_high": ranks.high,
        "image": np.asarray([dataset.images[row].path for row in images[:, 0]], dtype=object),
        "text": np.asarray([dataset.texts[row].text for row in texts[:, 0]], dtype=object),
    }
    return Scored(accuracies(ranks.hits(1), images[:, 0], chance, strata, card.ceiling), outcomes, ties, warnings)

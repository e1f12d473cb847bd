"""Question answering: the model writes an answer to each question about its image; it must match to the letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.base import Prepared, Scored, accuracies, check_strata, masks
from goldieval.records.parts import Ties
from goldieval.tasks.card import Task
from goldieval.tasks.params import VqaParams

SUMMARY = ("accuracy",)


def prepare(task: Task, dataset: Dataset) -> Prepared:
    """Check that the data have questions with answers. No text is encoded. Raises TaskError."""
    params = task.card.params
    assert isinstance(params, VqaParams)
    if dataset.answers is None or dataset.owner is None:
        raise TaskError("vqa needs questions with answers, but the data have none.")
    if not dataset.texts:
        raise TaskError(f"no question is asked about these {len(dataset.images):,} images: take more of them.")
    check_strata(dataset, params.strata)
    return Prepared(task, dataset, [])


def score(prepared: Prepared, answers: Sequence[str]) -> Scored:
    """Compare answers, one a question and in the questions' order, after lower-casing and stripping.

    Chance is what the most frequent answer to each type of question gets: a model that never looks can reach it.
    """
    dataset, card = prepared.dataset, prepared.task.card
    assert isinstance(card.params, VqaParams) and dataset.answers is not None and dataset.owner is not None
    given, true = (np.array([_plain(answer) for answer in side], dtype=object) for side in (answers, dataset.answers))
    right = (given == true).astype(float)
    types = dataset.types if dataset.types is not None else np.full(len(true), "")
    guesses = {type: Counter(true[types == type]).most_common(1)[0][0] for type in dict.fromkeys(types.tolist())}
    guessed = np.array([guesses[type] == answer for type, answer in zip(types, true, strict=True)], dtype=float)
    metrics = accuracies(right, dataset.owner, guessed, masks(dataset, card.params.strata), card.ceiling)
    asked = [dataset.images[row] for row in dataset.owner]
    outcomes = {
        "direction": np.full(len(true), "vqa", dtype=object),
        "sample_id": np.asarray([text.id for text in dataset.texts], dtype=object),
        "cluster_id": np.asarray([image.id for image in asked], dtype=object),
        "type": types.astype(object),
        "answer": true,
        "given": given,
        "right": right.astype(bool),
        "image": np.asarray([image.path for image in asked], dtype=object),
        "text": np.asarray([text.text for text in dataset.texts], dtype=object),
    }
    return Scored(metrics, outcomes, Ties(), [])


def _plain(answer: str) -> str:
    return answer.strip().lower()

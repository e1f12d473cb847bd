"""Choice: one of a few image-text pairs is true, and a query is right if the model scores that pair highest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import check_strata, measure, strata_columns, ties_of
from goldieval.families.answers import answer_columns, strata_lists
from goldieval.families.base import Prepared, Scored, params_of
from goldieval.families.similarity import SimilarityFamily
from goldieval.metrics.accuracy import true_class_ranks
from goldieval.metrics.answers import Answers
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


class Choice(SimilarityFamily[ChoicePrepared, torch.Tensor]):
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

    def compare(self, prepared: ChoicePrepared, similarity: Similarity) -> torch.Tensor:
        """Return the score of every candidate, shape (queries, candidates)."""
        images, texts = (torch.as_tensor(prepared.choices[..., side]) for side in (0, 1))
        return similarity.pairs(images.ravel(), texts.ravel()).view(images.shape)

    def score(self, prepared: ChoicePrepared, evidence: torch.Tensor) -> Scored:
        """Rank the true candidate. Queries about the same image form a cluster.

        Ties count as their expected value, since arg-max would always choose the true pair, which comes first.
        """
        dataset = prepared.dataset
        images, texts = prepared.choices[..., 0], prepared.choices[..., 1]
        true = torch.zeros(len(images), dtype=torch.int64, device=evidence.device)  # the true pair comes first
        ranks, predictions, _ = true_class_ranks(evidence, true)
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
            **_answers(dataset, prepared.choices, by_image, ranks.answers),
            **strata_lists(dataset),
        }
        context = {"cluster": images[:, 0], "chance": np.full(len(images), 1 / images.shape[1])}
        context |= strata_columns(dataset, prepared.params.strata)
        context |= {"set": prepared.sets} if prepared.sets is not None else {}
        return Scored(measure(prepared.task, outcomes, context), outcomes, ties, warnings)


FAMILY = Choice()


def _answers(
    dataset: Dataset, choices: np.ndarray, by_image: np.ndarray, answers: Answers | None
) -> dict[str, np.ndarray]:
    """Return the columns of the true candidate and the best false one: texts of one image, or images of one text.

    Args:
        dataset: the samples.
        choices: candidates as pairs (image index, text index), shape (queries, candidates, 2).
        by_image: whether the candidates are texts, shape (queries,).
        answers: index among the candidates of each query's best answers.
    """
    if answers is None:
        return {}
    candidates = np.where(by_image[:, None], choices[..., 1] + len(dataset.images), choices[..., 0])
    queries = np.arange(len(choices))
    right, wrong = (candidates[queries, each] for each in (answers.right, answers.wrong))
    ids = [*(image.id for image in dataset.images), *(text.id for text in dataset.texts)]
    contents = [*(image.path for image in dataset.images), *(text.text for text in dataset.texts)]
    return answer_columns(replace(answers, right=right, wrong=wrong), ids, contents)

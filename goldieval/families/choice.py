"""Choice: one of a few image-text pairs is true, and a query is right if the model scores that pair highest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.cropped import picture_key
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import check_strata, measure, strata_columns, ties_of
from goldieval.families.answers import answer_columns, strata_lists
from goldieval.families.base import Prepared, Scored, TaskRun, params_of
from goldieval.families.similarity import SimilarityFamily
from goldieval.metrics.answers import Answers
from goldieval.metrics.choices import RankedChoices, chance_of, ranked_choices, text_only_chance, text_only_hits
from goldieval.scoring.similarity import ImageBlind, Similarity, TextSimilarity
from goldieval.tasks.card import Task
from goldieval.tasks.params import ChoiceParams


@dataclass(kw_only=True)
class ChoicePrepared(Prepared[ChoiceParams]):
    """Queries with a few candidates each.

    Attributes:
        choices: candidates of each query as pairs (image index, text index), the true ones first, shape
            (queries, candidates, 2).
        sets: index of the set to which each query belongs, shape (queries,); None if sets are not scored.
    """

    choices: np.ndarray
    sets: np.ndarray | None = None


@dataclass(frozen=True)
class ChoiceEvidence:
    """What a model says about the candidates.

    Attributes:
        scores: score of every candidate, shape (queries, candidates).
        blind: the same with the mean of all images in place of every image; None where the scoring mode has no such
            mean, because it pools each image for each text.
        texts: cosines of the true texts of a query with each other, then with its false texts, shape (queries, pairs);
            None if the card does not ask for them.
        pictures: key of the content of each image, shape (images,); None if ids say which images are the same.
    """

    scores: torch.Tensor
    blind: torch.Tensor | None = None
    texts: torch.Tensor | None = None
    pictures: np.ndarray | None = None


class Choice(SimilarityFamily[ChoicePrepared, ChoiceEvidence]):
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
        if params.text_only and dataset.trues < 2:
            raise TaskError("params.text_only: the queries have one true caption each; it needs several.")
        if params.mean_of_groups and dataset.groups is None:
            raise TaskError("params.mean_of_groups: these data have no groups; name their column as source.group.")
        return ChoicePrepared(
            task=task,
            params=params,
            dataset=dataset,
            texts=dataset.texts,
            choices=dataset.choices,
            sets=dataset.sets if params.sets else None,
        )

    def collect(self, run: TaskRun[ChoicePrepared]) -> ChoiceEvidence:
        """Score every candidate; see ``SimilarityFamily.collect``."""
        evidence = super().collect(run)
        if run.prepared.params.same_image == "id":
            return evidence
        images, sources = run.prepared.dataset.images, run.sources  # an image without a key is an id without a picture
        keys = [
            picture_key(sources[key], key) if key else image.id for image, key in zip(images, run.keys, strict=True)
        ]
        return replace(evidence, pictures=np.array(keys, dtype=object))

    def compare(self, prepared: ChoicePrepared, similarity: Similarity) -> ChoiceEvidence:
        """Return the scores of the candidates, with and without their images, and cosines of texts."""
        images, texts = (torch.as_tensor(prepared.choices[..., side]) for side in (0, 1))
        blind = similarity.blind_pairs(texts.ravel()) if isinstance(similarity, ImageBlind) else None
        return ChoiceEvidence(
            scores=similarity.pairs(images.ravel(), texts.ravel()).view(images.shape),
            blind=blind.view(images.shape) if blind is not None else None,
            texts=_text_scores(prepared, texts, similarity) if prepared.params.text_only else None,
        )

    def score(self, prepared: ChoicePrepared, evidence: ChoiceEvidence) -> Scored:
        """Rank the true candidates. Queries about the same image form a cluster.

        Ties count as their expected value, since arg-max would always choose the true pair, which comes first.
        """
        dataset, trues = prepared.dataset, prepared.dataset.trues
        images, texts = prepared.choices[..., 0], prepared.choices[..., 1]
        ranked = ranked_choices(evidence.scores, trues)
        ties, warnings = ties_of([ranked.ranks], [1])
        image_ids = np.array([dataset.images[row].id for row in images[:, 0]], dtype=object)
        text_ids = np.array([dataset.texts[row].id for row in texts[:, 0]], dtype=object)
        by_image = (images == images[:, :1]).all(axis=1)  # one image, several texts; else one text, several images
        outcomes = {
            "direction": np.where(by_image, "i2t", "t2i").astype(object),
            "sample_id": np.where(by_image, text_ids, image_ids),
            "cluster_id": image_ids if evidence.pictures is None else evidence.pictures[images[:, 0]],
            "prediction": ranked.predictions,
            **_rank_columns(ranked),
            "image": np.asarray([dataset.images[row].path for row in images[:, 0]], dtype=object),
            "text": np.asarray([dataset.texts[row].text for row in texts[:, 0]], dtype=object),
            **_answers(dataset, prepared.choices, by_image, ranked.ranks.answers),
            **strata_lists(dataset),
            **_text_only(evidence, trues),
            **_groups(prepared),
        }
        cluster = outcomes["cluster_id"] if evidence.pictures is not None else images[:, 0]
        chances = {"chance": chance_of, "text_only_chance": text_only_chance}
        context = {name: np.full(len(images), of(images.shape[1], trues)) for name, of in chances.items()}
        context |= {"cluster": cluster}
        context |= strata_columns(dataset, prepared.params.strata)
        context |= {"set": prepared.sets} if prepared.sets is not None else {}
        blind = _rank_columns(ranked_choices(evidence.blind, trues)) if evidence.blind is not None else None
        return Scored(measure(prepared.task, outcomes, context, blind=blind), outcomes, ties, warnings)


FAMILY = Choice()


def _rank_columns(ranked: RankedChoices) -> dict[str, np.ndarray]:
    """Return the columns that say whether a query is right: ranks, and its probability where several are true."""
    columns = {"rank_low": ranked.ranks.low, "rank_high": ranked.ranks.high}
    return columns | ({"right": ranked.right} if ranked.right is not None else {})


def _text_scores(prepared: ChoicePrepared, texts: torch.Tensor, similarity: Similarity) -> torch.Tensor:
    """Return the cosines of texts that ``ChoiceEvidence.texts`` holds.

    Args:
        prepared: the task.
        texts: index of each candidate's text, (queries, candidates).
        similarity: compares texts.
    """
    if not isinstance(similarity, TextSimilarity):
        raise TaskError("params.text_only: this scoring mode compares no texts with each other.")
    trues, count = prepared.dataset.trues, texts.shape[1]
    pairs = [(a, b) for a in range(trues) for b in range(a + 1, count)]
    pairs.sort(key=lambda pair: pair[1] >= trues)
    first, second = (texts[:, [pair[side] for pair in pairs]] for side in (0, 1))
    return similarity.text_pairs(first.ravel(), second.ravel()).view(first.shape)


def _text_only(evidence: ChoiceEvidence, trues: int) -> dict[str, np.ndarray]:
    """Return the column with the probability that the texts alone are right, if the card asks for it."""
    return {} if evidence.texts is None else {"text_only": text_only_hits(evidence.texts, trues)}


def _groups(prepared: ChoicePrepared) -> dict[str, np.ndarray]:
    """Return the column ``group``, empty for queries that do not count in the mean over groups."""
    params, groups = prepared.params, prepared.dataset.groups
    if not params.mean_of_groups or groups is None:
        return {}
    names, which, sizes = np.unique(groups.astype(str), return_inverse=True, return_counts=True)
    counted = (sizes >= params.least_in_group) & ~np.isin(names, params.groups_left_out)
    return {"group": np.where(counted, names, "")[which].astype(object)}


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

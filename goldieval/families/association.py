"""Association: of several images those that belong to a text; as many are chosen as belong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset, TextSample
from goldieval.families.aggregates import check_strata, measure, ties_of
from goldieval.families.answers import answer_columns, strata_lists
from goldieval.families.base import Prepared, Scored, params_of
from goldieval.families.similarity import SimilarityFamily
from goldieval.metrics.answers import NOBODY, Answers
from goldieval.metrics.association import expected_jaccard, jaccard_of_guesses
from goldieval.metrics.ranks import TIE, Ranks
from goldieval.scoring.similarity import Similarity
from goldieval.tasks.association_params import AssociationParams
from goldieval.tasks.card import Task


@dataclass(kw_only=True)
class AssociationPrepared(Prepared[AssociationParams]):
    """Texts with their candidate images.

    Attributes:
        candidates: pairs (text index, image index), shape (pairs, 2); those of one text stand together.
        right: whether the image of each pair belongs to the text, shape (pairs,).
    """

    candidates: np.ndarray
    right: np.ndarray

    @property
    def queries(self) -> list[slice]:
        """The pairs of each text."""
        ends = np.cumsum(np.bincount(self.candidates[:, 0], minlength=len(self.texts))).tolist()
        return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


class Association(SimilarityFamily[AssociationPrepared, torch.Tensor]):
    """Jaccard index of the images that belong to a text and as many of those that score highest."""

    def prepare(self, task: Task, dataset: Dataset) -> AssociationPrepared:
        """Insert every cue into the prompt. Raises TaskError if the data have no candidates."""
        params = params_of(task, AssociationParams)
        if dataset.candidates is None or dataset.positives is None:
            raise TaskError("association needs candidates, but the data have none: use the reader association.")
        if not len(dataset.texts):
            raise TaskError(f"all candidates of no cue are among these {len(dataset.images):,} images: take more.")
        check_strata(dataset, params.strata)
        order = np.argsort(dataset.candidates[:, 0], kind="stable")
        candidates, true = dataset.candidates[order], set(map(tuple, dataset.positives.tolist()))
        return AssociationPrepared(
            task=task,
            params=params,
            dataset=dataset,
            texts=[TextSample(text.id, filled(params.prompt, text.text)) for text in dataset.texts],
            candidates=candidates,
            right=np.array([pair in true for pair in map(tuple, candidates.tolist())]),
        )

    def compare(self, prepared: AssociationPrepared, similarity: Similarity) -> torch.Tensor:
        """Return the score of every pair, shape (pairs,)."""
        texts, images = torch.as_tensor(prepared.candidates.T.copy())
        return similarity.pairs(images, texts)

    def score(self, prepared: AssociationPrepared, evidence: torch.Tensor) -> Scored:
        """Compute the index of each query; queries with the same candidates form a cluster."""
        dataset, queries = prepared.dataset, prepared.queries
        scores = evidence.cpu().numpy()
        parts = [(scores[query], prepared.right[query]) for query in queries]
        ranks = _ranks(prepared, scores)
        ties, _ = ties_of([ranks], [1])
        clusters = _clusters(prepared)
        best = ranks.answers.right if ranks.answers is not None else np.zeros(0, dtype=np.int64)
        outcomes = {
            "direction": np.full(len(queries), "t2i", dtype=object),
            "sample_id": np.array([text.id for text in prepared.texts], dtype=object),
            "cluster_id": np.array([prepared.texts[first].id for first in clusters], dtype=object),
            "jaccard": np.array([expected_jaccard(*part) for part in parts]),
            "candidates": np.array([len(right) for _, right in parts]),
            "positives": ranks.positives,
            "rank_low": ranks.low,
            "rank_high": ranks.high,
            "image": np.array([dataset.images[row].path for row in best], dtype=object),
            "text": np.array([text.text for text in prepared.texts], dtype=object),
            **answer_columns(
                ranks.answers, [each.id for each in dataset.images], [each.path for each in dataset.images]
            ),
            **strata_lists(dataset),
        }
        chance = np.array([jaccard_of_guesses(len(right), int(right.sum())) for _, right in parts])
        context = {"cluster": clusters, "chance": chance}
        return Scored(measure(prepared.task, outcomes, context), outcomes, ties)


FAMILY = Association()


def filled(prompt: str, cue: str) -> str:
    """Return the text of a cue.

    >>> filled("{a} {c}", "Apple"), filled("{a} {c}", "house")
    ('An apple', 'A house')
    """
    cue = cue.lower()
    return prompt.replace("{a}", "An" if cue[:1] in tuple("aeiou") else "A").replace("{c}", cue)


def _clusters(prepared: AssociationPrepared) -> np.ndarray:
    """Return the first query with the same candidates as each query, (queries,)."""
    first: dict[tuple[int, ...], int] = {}
    sets = [tuple(sorted(prepared.candidates[query, 1].tolist())) for query in prepared.queries]
    return np.array([first.setdefault(images, number) for number, images in enumerate(sets)])


def _ranks(prepared: AssociationPrepared, scores: np.ndarray) -> Ranks:
    """Return the rank of the best right image of each query among its candidates."""
    rows = [_rank(scores[query], prepared.right[query]) for query in prepared.queries]
    above, tied, tied_positives, positives, right, wrong = np.array(rows).T
    starts = np.array([query.start for query in prepared.queries])
    items = [
        np.where(place < 0, NOBODY, prepared.candidates[starts + np.maximum(place, 0), 1]) for place in (right, wrong)
    ]
    values = [np.where(place < 0, np.nan, scores[starts + np.maximum(place, 0)]) for place in (right, wrong)]
    answers = Answers(items[0], values[0].astype(np.float32), items[1], values[1].astype(np.float32))
    return Ranks(above, tied, tied_positives, positives, 0, answers)


def _rank(scores: np.ndarray, right: np.ndarray) -> tuple[int, int, int, int, int, int]:
    """Return negatives above and tied with the best positive, tied positives, positives, and the best of each."""
    of_right, of_wrong = (np.where(each, scores, -np.inf) for each in (right, ~right))
    best = of_right.max()
    above, tied = int((of_wrong > best + TIE).sum()), int((np.abs(of_wrong - best) <= TIE).sum())
    wrong = int(of_wrong.argmax()) if not right.all() else NOBODY
    return above, tied, int((of_right >= best - TIE).sum()), int(right.sum()), int(of_right.argmax()), wrong

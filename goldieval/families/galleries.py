"""Retrieval in several galleries: the folds of a protocol, or the languages of its texts. Each is ranked by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from goldieval.core.errors import TaskError, listing
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import check_strata
from goldieval.metrics.answers import NOBODY, Answers
from goldieval.metrics.ranks import Ranks
from goldieval.metrics.tie_groups import TieGroups
from goldieval.scoring.similarity import Similarity
from goldieval.tasks.retrieval_params import RetrievalParams


@dataclass(frozen=True)
class Gallery:
    """Texts and images that retrieve each other.

    Attributes:
        texts: indices of the texts, ascending, (n,).
        images: indices of the images, ascending, (m,).
        name: what the ids of its image queries end in, where an image is in several galleries; else empty.
    """

    texts: np.ndarray
    images: np.ndarray
    name: str = ""


def galleries(dataset: Dataset, params: RetrievalParams) -> list[Gallery]:
    """Return the galleries of a task: one, unless the card names folds or several languages.

    Raises:
        TaskError: a fold has fewer than two images, a fold has no text, or a text is not of exactly one language.
    """
    if params.folds > 1:
        return _folds(dataset, params.folds)
    if len(params.languages) > 1:
        return _languages(dataset, params.languages)
    return [Gallery(np.arange(len(dataset.texts)), np.arange(len(dataset.images)))]


def _folds(dataset: Dataset, folds: int) -> list[Gallery]:
    count = len(dataset.images)
    if count < 2 * folds:
        raise TaskError(f"params.folds: {count:,} images cannot be cut into {folds} folds of two or more.")
    assert dataset.owner is not None
    fold = np.arange(count) * folds // count
    found = [
        Gallery(np.flatnonzero(fold[dataset.owner] == number), np.flatnonzero(fold == number))
        for number in range(folds)
    ]
    if any(not len(gallery.texts) for gallery in found):
        raise TaskError("params.folds: no text belongs to the images of a fold: take more of them.")
    return found


def _languages(dataset: Dataset, languages: Sequence[str]) -> list[Gallery]:
    check_strata(dataset, languages)
    masks = np.stack([dataset.strata[language] for language in languages], axis=1)
    if len(wrong := np.flatnonzero(masks.sum(axis=1) != 1)):
        ids = [dataset.texts[row].id for row in wrong]
        raise TaskError(f"params.languages: {len(wrong):,} texts are not of exactly one of them: {listing(ids)}.")
    present = [language for language, mask in zip(languages, masks.T, strict=True) if mask.any()]
    return [
        Gallery(np.flatnonzero(dataset.strata[language]), np.arange(len(dataset.images)), language)
        for language in present
    ]


def ranked(
    similarity: Similarity, positives: np.ndarray, parts: Sequence[Gallery], all_positives: bool
) -> tuple[Ranks, Ranks]:
    """Rank both directions in every gallery.

    Args:
        similarity: compares all texts with all images.
        positives: pairs (text index, image index), shape (pairs, 2).
        parts: the galleries.
        all_positives: whether to rank every positive of a query instead of the best alone.

    Returns:
        Ranks of the texts of all galleries, one gallery after the other, and of the images. Answers are indices of all.
    """
    if len(parts) == 1:
        return similarity.retrieval(torch.as_tensor(positives), all_positives)
    found = [_ranked_in(similarity, positives, part, all_positives) for part in parts]
    t2i = _joined([t2i for t2i, _ in found], [part.images for part in parts])
    return t2i, _joined([i2t for _, i2t in found], [part.texts for part in parts])


def _ranked_in(
    similarity: Similarity, positives: np.ndarray, part: Gallery, all_positives: bool
) -> tuple[Ranks, Ranks]:
    inside = np.isin(positives[:, 0], part.texts) & np.isin(positives[:, 1], part.images)
    text, image = positives[inside].T
    pairs = np.stack([np.searchsorted(part.texts, text), np.searchsorted(part.images, image)], axis=1)
    some = similarity.among(torch.as_tensor(part.texts), torch.as_tensor(part.images))
    return some.retrieval(torch.as_tensor(pairs), all_positives)


def _joined(parts: Sequence[Ranks], items: Sequence[np.ndarray]) -> Ranks:
    """Return the ranks of the queries of all galleries, given the indices of the items of each."""

    def column(of: Callable[[Ranks], np.ndarray]) -> np.ndarray:
        return np.concatenate([of(part) for part in parts])

    sizes = np.concatenate([np.full(len(part.above), part.gallery) for part in parts])
    answers = [_renumbered(part.answers, rows) for part, rows in zip(parts, items, strict=True) if part.answers]
    return Ranks(
        column(lambda part: part.above),
        column(lambda part: part.tied),
        column(lambda part: part.tied_positives),
        column(lambda part: part.positives),
        int(sizes[0]) if (sizes == sizes[0]).all() else sizes,
        _concatenated(answers) if len(answers) == len(parts) else None,
        _joined_groups(parts),
    )


def _renumbered(answers: Answers, items: np.ndarray) -> Answers:
    right, wrong = (np.where(each == NOBODY, NOBODY, items[each]) for each in (answers.right, answers.wrong))
    return replace(answers, right=right, wrong=wrong)


def _concatenated(answers: Sequence[Answers]) -> Answers:
    names = ("right", "right_score", "wrong", "wrong_score")
    return Answers(*(np.concatenate([getattr(each, name) for each in answers]) for name in names))


def _joined_groups(parts: Sequence[Ranks]) -> TieGroups | None:
    groups = [part.groups for part in parts if part.groups is not None]
    if len(groups) < len(parts):
        return None
    starts = np.cumsum([0, *(len(each.relevant) for each in groups[:-1])])
    query = np.concatenate([each.query + start for each, start in zip(groups, starts, strict=True)])
    names = ("before", "positives_before", "positives", "negatives", "relevant")
    columns = {name: np.concatenate([getattr(each, name) for each in groups]) for name in names}
    return TieGroups(query=query, gallery=max(each.gallery for each in groups), **columns)

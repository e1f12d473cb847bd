"""Folds and languages: each is ranked by itself, and scores are means over all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from divided_cases import DIM, POOL
from family_cases import compared, pictures

from goldieval.core.errors import NotApplicableError, TaskError
from goldieval.data.image_source import NoImage
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.subset import keep_images
from goldieval.families.base import Prepared, family_of
from goldieval.families.galleries import galleries
from goldieval.scoring.blocks import PatchBlocks
from goldieval.scoring.conditioned import conditioned_matrix
from goldieval.scoring.cosine import unit
from goldieval.scoring.similarities import ConditionedSimilarity, GlobalSimilarity, ShortlistSimilarity
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import CARD_TYPES
from goldieval.tasks.retrieval_params import RetrievalParams

FAMILY = family_of("retrieval")
IMAGES, CAPTIONS = 20, 3


def prepared(dataset: Dataset, **params: Any) -> Prepared[Any]:
    content: dict[str, Any] = {
        "name": "tiny", "version": 1, "protocol": "p", "title": "Tiny", "licence": "none", "family": "retrieval",
        "source": {"reader": "folder", "path": "."}, "headline": "t2i_r1", "params": params,
    }  # fmt: skip
    return FAMILY.prepare(Task(CARD_TYPES["retrieval"](**content), Path("card.yaml")), dataset)


def captioned(strata: tuple[str, ...] = ()) -> Dataset:
    """Twenty images with three captions each, by language if there are strata: first all of one language."""
    owner = np.tile(np.arange(IMAGES), CAPTIONS) if strata else np.repeat(np.arange(IMAGES), CAPTIONS)
    number = np.repeat(np.arange(CAPTIONS), IMAGES) if strata else np.tile(np.arange(CAPTIONS), IMAGES)
    texts = [TextSample(f"pic{image}#{n}", f"{n} of {image}") for image, n in zip(owner, number, strict=True)]
    positives = np.stack([np.arange(len(texts)), owner], axis=1)
    masks = {name: number == place for place, name in enumerate(strata)}
    return Dataset(pictures(IMAGES), texts=texts, positives=positives, owner=owner, strata=masks)


def vectors(count: int, seed: int, width: int = 16) -> torch.Tensor:
    return unit(torch.randn(count, width, generator=torch.Generator().manual_seed(seed)), "a")


def hits(scores: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Whether each query finds a positive among its first k."""
    first = np.argsort(-scores, axis=1)[:, :k]
    found: np.ndarray = np.take_along_axis(relevant, first, axis=1).any(axis=1)
    return found


def test_folds_are_ranked_apart_and_their_mean_is_the_score() -> None:
    task, dataset = prepared(captioned(), k=[1, 3], folds=5, metrics=["map_at_r"]), captioned()
    images, texts = vectors(IMAGES, 1), vectors(IMAGES * CAPTIONS, 2)
    scored = compared(FAMILY, task, GlobalSimilarity(images, texts))
    scores, fold = (texts @ images.T).numpy(), np.arange(IMAGES) // 4
    assert dataset.owner is not None
    for k in (1, 3):
        by_fold: dict[str, list[float]] = {"t2i": [], "i2t": []}
        for number in range(5):
            rows, columns = np.flatnonzero(fold[dataset.owner] == number), np.flatnonzero(fold == number)
            part = scores[np.ix_(rows, columns)]
            relevant = dataset.owner[rows][:, None] == columns[None]
            by_fold["t2i"].append(float(hits(part, relevant, k).mean()))
            by_fold["i2t"].append(float(hits(part.T, relevant.T, k).mean()))
        for direction, of_folds in by_fold.items():
            assert scored.metrics[f"{direction}_r{k}"].value == pytest.approx(np.mean(of_folds))
    assert scored.metrics["t2i_r1"].chance == pytest.approx(1 / 4)
    assert scored.metrics["t2i_r1"].n == IMAGES * CAPTIONS
    assert scored.outcomes["sample_id"][:3].tolist() == ["pic0#0", "pic0#1", "pic0#2"]
    right = [text.partition("#")[0] for text in scored.outcomes["sample_id"][: IMAGES * CAPTIONS]]
    assert scored.outcomes["right_id"][: IMAGES * CAPTIONS].tolist() == right
    assert "map_at_r" in scored.outcomes


def test_a_fold_of_the_conditioned_mode_has_the_same_scores() -> None:
    """Patches lie in blocks of 3 images, which folds of 4 cut; the oracle is the complete matrix."""
    task = prepared(captioned(), k=[1], folds=5, metrics=["map_at_r", "ndcg10"])
    texts, patches = (
        vectors(IMAGES * CAPTIONS, 3, DIM),
        torch.randn(IMAGES, 5, DIM, generator=torch.Generator().manual_seed(4)),
    )
    blocks = PatchBlocks.of(patches, size=3)
    scored = compared(FAMILY, task, ConditionedSimilarity(POOL, blocks, texts))
    with torch.no_grad():
        scores = conditioned_matrix(POOL, texts, patches).T.numpy()
    fold, owner = np.arange(IMAGES) // 4, np.repeat(np.arange(IMAGES), CAPTIONS)
    found = [
        hits(scores[np.ix_(rows, columns)], owner[rows][:, None] == columns[None], 1).mean()
        for rows, columns in (
            (np.flatnonzero(fold[owner] == number), np.flatnonzero(fold == number)) for number in range(5)
        )
    ]
    assert scored.metrics["t2i_r1"].value == pytest.approx(np.mean(found))
    assert scored.metrics["i2t_ndcg10"].value > 0


def test_languages_share_their_images_and_have_texts_of_their_own() -> None:
    names = ("de", "fr", "zh")
    dataset = captioned(names)
    task = prepared(dataset, k=[1], languages=list(names), metrics=["ndcg10"])
    images, texts = vectors(IMAGES, 5), vectors(IMAGES * CAPTIONS, 6)
    scored = compared(FAMILY, task, GlobalSimilarity(images, texts))
    scores = (texts @ images.T).numpy()
    of_language = {}
    for name in names:
        rows = np.flatnonzero(dataset.strata[name])
        t2i, i2t = (
            hits(scores[rows], np.eye(IMAGES, dtype=bool), 1),
            hits(scores[rows].T, np.eye(IMAGES, dtype=bool), 1),
        )
        of_language[name] = t2i.mean(), i2t.mean()
        assert scored.metrics[f"t2i_r1_{name}"].value == pytest.approx(t2i.mean())
        assert scored.metrics[f"i2t_r1_{name}"].value == pytest.approx(i2t.mean())
        assert scored.metrics[f"i2t_r1_{name}"].n == IMAGES
    for place, direction in enumerate(("t2i", "i2t")):
        mean = np.mean([each[place] for each in of_language.values()])
        assert scored.metrics[f"{direction}_macro_r1"].value == pytest.approx(mean)
        assert scored.metrics[f"{direction}_macro_r1"].chance == pytest.approx(1 / IMAGES)
    ids = scored.outcomes["sample_id"]
    assert len(set(ids)) == len(ids) and ids[-1] == "pic19@zh"
    assert scored.outcomes["strata"][0] == ["de"] and scored.outcomes["strata"][-1] == ["zh"]


def test_a_text_of_no_language_or_of_a_language_that_the_data_lack_is_refused() -> None:
    dataset = captioned(("de", "zh"))
    with pytest.raises(TaskError, match="20 texts are not of exactly one of them: pic0#2, pic1#2"):
        prepared(dataset, languages=["de", "zh"])
    with pytest.raises(TaskError, match="the data have no group fr"):
        prepared(dataset, languages=["de", "fr"])
    assert len(prepared(dataset, languages=["de"]).galleries) == 1


def test_folds_need_images_and_texts() -> None:
    few = keep_images(captioned(), np.arange(IMAGES) < 3)
    with pytest.raises(TaskError, match="3 images cannot be cut into 5 folds"):
        prepared(few, folds=5)
    with pytest.raises(ValueError, match="cannot be combined"):
        prepared(captioned(), folds=2, languages=["de", "zh"])


@pytest.mark.parametrize("params", [{"folds": 5}, {"metrics": ["map"]}, {"metrics": ["ndcg10"]}])
def test_a_shortlist_is_refused_where_it_does_not_know_enough(params: dict[str, Any]) -> None:
    with pytest.raises(NotApplicableError, match="use --scoring conditioned or global"):
        FAMILY.check_mode(prepared(captioned(), **params), "shortlist:4")
    FAMILY.check_mode(prepared(captioned(), metrics=["mrr"]), "shortlist:4")
    FAMILY.check_mode(prepared(captioned(), **params), "conditioned")
    blocks = PatchBlocks.of(torch.randn(IMAGES, 5, DIM))
    lists = ShortlistSimilarity(POOL, blocks, vectors(60, 3, DIM), vectors(IMAGES, 1, DIM), 4)
    with pytest.raises(TaskError, match="the rank of every positive"):
        lists.retrieval(torch.tensor([[0, 0]]), all_positives=True)


def test_texts_and_images_that_are_no_queries_stay_in_the_gallery() -> None:
    dataset = captioned()
    dataset.text_queries = np.arange(IMAGES * CAPTIONS) % 3 == 0
    dataset.image_queries = np.arange(IMAGES) < 7
    dataset.absent_positives = np.where(np.arange(IMAGES) < 2, 3, 0)
    task = prepared(dataset, k=[1], metrics=["r_precision"])
    images, texts = vectors(IMAGES, 1), vectors(IMAGES * CAPTIONS, 2)
    scored = compared(FAMILY, task, GlobalSimilarity(images, texts))
    by_direction = scored.outcomes["direction"]
    assert (by_direction == "t2i").sum() == 20 and (by_direction == "i2t").sum() == 7
    scores = (texts @ images.T).numpy()
    relevant = np.repeat(np.arange(IMAGES), CAPTIONS)[:, None] == np.arange(IMAGES)[None]
    assert scored.metrics["t2i_r1"].value == pytest.approx(hits(scores, relevant, 1)[::3].mean())
    order = np.argsort(-scores.T, axis=1)
    total = np.where(np.arange(IMAGES) < 2, 6, 3)
    precision = [relevant.T[row, order[row, : total[row]]].sum() / total[row] for row in range(7)]
    assert scored.metrics["i2t_r_precision"].value == pytest.approx(np.mean(precision))
    part = keep_images(dataset, np.arange(IMAGES) % 2 == 0)
    assert part.image_queries is not None and part.image_queries.sum() == 4
    assert part.text_queries is not None and part.absent_positives is not None and part.absent_positives.sum() == 3


def test_folds_of_one_image_each_are_refused() -> None:
    """Every answer would be right."""
    data = Dataset([ImageSample(f"i{row}", NoImage(), "") for row in range(3)], owner=np.arange(3))
    with pytest.raises(TaskError, match="3 images cannot be cut into 3 folds of two or more"):
        galleries(data, RetrievalParams(folds=3))

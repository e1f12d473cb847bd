"""What choices score without their images, by hand and by simulation, and queries with several true captions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_cases import compared, pictures, values

from goldieval.core.errors import TaskError
from goldieval.data.crossed import QUERIES
from goldieval.data.samples import Dataset, TextSample
from goldieval.families import choice
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.scoring.blocks import PatchBlocks
from goldieval.scoring.cosine import unit
from goldieval.scoring.similarities import ConditionedSimilarity, GlobalSimilarity
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import ChoiceCard
from goldieval.tasks.catalogue import load_task


def task(**params: Any) -> Task:
    content = {
        "name": "tiny", "version": 1, "protocol": "by hand", "title": "Tiny", "licence": "none", "family": "choice",
        "source": {"reader": "folder", "path": "."}, "headline": "accuracy", "params": params,
    }  # fmt: skip
    return Task(ChoiceCard.model_validate(content), Path("card.yaml"))


def samples(images: int, texts: int, choices: Any, **more: Any) -> Dataset:
    written = [TextSample(f"t{row}", f"text {row}") for row in range(texts)]
    return Dataset(pictures(images), texts=written, owner=np.zeros(texts, int), choices=np.array(choices), **more)


def random_similarity(images: int, texts: int, seed: int) -> GlobalSimilarity:
    generator = torch.Generator().manual_seed(seed)
    vectors = (torch.randn(count, 16, generator=generator) for count in (images, texts))
    return GlobalSimilarity(*(unit(each, "vector") for each in vectors))


def test_a_blind_score_is_that_of_the_mean_image() -> None:
    """The mean of the images is (1, 1) / sqrt 2: of texts (2, 1) and (0, 1) it takes the first, whichever is true."""
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    texts = unit(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), "text")
    data = samples(2, 2, [[(0, 0), (0, 1)], [(1, 1), (1, 0)]])
    scored = compared(choice.FAMILY, choice.FAMILY.prepare(task(), data), GlobalSimilarity(images, texts))
    assert values(scored) == {"accuracy": 1.0} and scored.metrics["accuracy"].blind == 0.5


def test_a_blind_model_prefers_one_caption_of_every_set() -> None:
    """So Winoground's text and group score are 0 without images; pictures tie, as if each were chosen at random."""
    first = 2 * np.arange(500)[:, None, None, None]
    queries = (first + np.array(QUERIES)).reshape(-1, 2, 2)
    data = samples(1000, 1000, queries, sets=np.repeat(np.arange(500), 4))
    prepared = choice.FAMILY.prepare(task(sets=True), data)
    scored = compared(choice.FAMILY, prepared, random_similarity(1000, 1000, 3))
    blind = {name: metric.blind for name, metric in scored.metrics.items()}
    assert blind == {"accuracy": 0.5, "text_score": 0.0, "image_score": 0.25, "group_score": 0.0}
    assert [load_task(name).card.blind for name in ("winoground", "bivlc")] == [0.0, 0.0]


@pytest.mark.parametrize(("candidates", "trues", "guess"), [(2, 1, 1 / 2), (5, 1, 1 / 5), (3, 2, 1 / 3), (4, 2, 1 / 6)])
def test_chance_and_blind_chance_of_texts_that_know_nothing(candidates: int, trues: int, guess: float) -> None:
    """SugarCrepe++'s two true captions against one are a third by chance, not a quarter."""
    count = 6000
    texts = np.arange(count * candidates).reshape(count, candidates)
    queries = np.stack([np.arange(count)[:, None].repeat(candidates, 1), texts], axis=-1)
    data = samples(count, count * candidates, queries, trues=trues)
    scored = compared(
        choice.FAMILY, choice.FAMILY.prepare(task(), data), random_similarity(count, count * candidates, 0)
    )
    metric = scored.metrics["accuracy"]
    assert metric.chance == pytest.approx(guess) and metric.n == count
    assert metric.value == pytest.approx(guess, abs=0.025) and metric.blind == pytest.approx(guess, abs=0.025)


def test_cards_state_what_texts_that_know_nothing_get() -> None:
    assert load_task("sugarcrepe-pp").card.blind == pytest.approx(1 / 3, abs=1e-6)
    assert load_task("sugarcrepe-pp").card.chance == pytest.approx(1 / 3, abs=1e-6)


PLUS = [[(0, 0), (0, 1), (0, 2)], [(1, 3), (1, 4), (1, 5)], [(2, 6), (2, 7), (2, 8)]]
# Cosines of each item's texts with its image: all right; the false one between the two; all three tie.
SCORES = [[0.9, 0.8, 0.1], [0.9, 0.2, 0.5], [0.4, 0.4, 0.4]]
# Cosines of p1 with p2, p1 with n, p2 with n: right; the false one closer to p1; all three tie.
COSINES = {(0, 1): 0.9, (0, 2): 0.5, (1, 2): 0.6, (3, 4): 0.5, (3, 5): 0.7, (4, 5): 0.1}


class Given:
    def pairs(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        return torch.tensor(SCORES).ravel()[texts]

    def blind_pairs(self, texts: torch.Tensor) -> torch.Tensor:
        return -torch.tensor(SCORES).ravel()[texts]

    def text_pairs(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return torch.tensor([COSINES.get((int(a), int(b)), 0.3) for a, b in zip(first, second, strict=True)])


def test_all_true_captions_have_to_beat_the_false_one() -> None:
    strata = {"att": np.array([True, False, False]), "obj": np.array([False, True, True])}
    data = samples(3, 9, PLUS, trues=2, strata=strata)
    prepared = choice.FAMILY.prepare(task(text_only=True, strata=["att", "obj"]), data)
    scored = compared(choice.FAMILY, prepared, Given())
    found = values(scored)
    assert found["accuracy"] == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert found["text_only"] == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert found["mean_accuracy"] == found["mean_text_only"] == pytest.approx((1 + 1 / 6) / 2)
    assert (found["accuracy_att"], found["text_only_att"]) == (1.0, 1.0)
    assert {metric.n for name, metric in scored.metrics.items() if "_att" not in name and "_obj" not in name} == {3}
    assert scored.metrics["text_only"].blind is None and scored.metrics["text_only"].chance == pytest.approx(1 / 3)
    assert scored.metrics["accuracy"].blind == pytest.approx((0 + 0 + 1 / 3) / 3)
    rows = scored.outcomes
    assert rows["sample_id"].tolist() == ["t0", "t3", "t6"] and rows["rank_low"].tolist() == [1, 2, 1]
    assert rows["right_id"].tolist()[:2] == ["t1", "t4"] and rows["wrong_id"].tolist() == ["t2", "t5", "t8"]
    assert rows["right"].tolist() == pytest.approx([1, 0, 1 / 3])


def test_refusals_of_what_the_data_do_not_have() -> None:
    data = samples(3, 9, [query[:2] for query in PLUS])
    with pytest.raises(TaskError, match="one true caption each"):
        choice.FAMILY.prepare(task(text_only=True), data)
    with pytest.raises(TaskError, match=r"no groups; name their column as source\.group"):
        choice.FAMILY.prepare(task(mean_of_groups=True), data)


def test_groups_that_do_not_count_are_left_out_of_the_mean() -> None:
    groups = np.array(["on", "on", "by", "of", "of", "rare"], dtype=object)
    queries = [[(0, row), (0, 6)] for row in range(6)]
    data = samples(1, 7, queries, groups=groups)

    class Scores:
        def pairs(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
            return torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.5])[texts]

    params: dict[str, Any] = {"mean_of_groups": True, "least_in_group": 2, "groups_left_out": ["by"]}
    scored = compared(choice.FAMILY, choice.FAMILY.prepare(task(**params), data), Scores())
    assert values(scored) == {"accuracy": 0.5, "mean_accuracy": (0.5 + 1.0) / 2}
    assert scored.outcomes["group"].tolist() == ["on", "on", "", "of", "of", ""]
    assert scored.metrics["accuracy"].blind is None  # this similarity has no mean image


def test_text_conditioned_scores_have_no_blind_score_but_compare_texts() -> None:
    pool = TextConditionedPool(8, 2).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    patches, texts = torch.randn(3, 5, 8, generator=generator), torch.randn(9, 8, generator=generator)
    similarity = ConditionedSimilarity(pool, PatchBlocks.of(patches, 3), texts)
    prepared = choice.FAMILY.prepare(task(text_only=True), samples(3, 9, PLUS, trues=2))
    scored = compared(choice.FAMILY, prepared, similarity)
    assert scored.metrics["accuracy"].blind is None
    cosines = unit(texts, "text") @ unit(texts, "text").T
    right = [float(cosines[a, a + 1] > max(cosines[a, a + 2], cosines[a + 1, a + 2])) for a in (0, 3, 6)]
    assert scored.outcomes["text_only"].tolist() == right

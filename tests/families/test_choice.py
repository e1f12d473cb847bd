"""The family ``choice`` by hand, in both scoring modes, and what it refuses."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from family_cases import choice_task as task
from family_cases import compared, pictures, values

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset, TextSample
from goldieval.data.subset import keep_images
from goldieval.families import choice
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.scoring.blocks import PatchBlocks
from goldieval.scoring.conditioned import conditioned_matrix
from goldieval.scoring.cosine import unit
from goldieval.scoring.similarities import ConditionedSimilarity, GlobalSimilarity


def dataset(texts: int, owner: list[int], choices: list[list[tuple[int, int]]], **more: Any) -> Dataset:
    samples = [TextSample(f"t{row}", f"text {row}") for row in range(texts)]
    return Dataset(pictures(3), texts=samples, owner=np.array(owner), choices=np.array(choices), **more)


IMAGES = torch.eye(3)
TEXTS = torch.tensor([[6, 3, 2], [3, 6, 2], [2, 3, 6], [2, 6, 3], [6, 2, 3]]) / 7
# Image 0 knows text 0 from 1; image 1 cannot tell 1 from 3 (a tie); image 2 takes 4 or 2: the true 4 is the lower.
CHOICES = [[(0, 0), (0, 1)], [(1, 1), (1, 3)], [(2, 4), (2, 2)]]
STRATA = {"swap": np.array([True, True, False]), "add": np.array([False, False, True])}


def by_hand(**params: Any) -> choice.Scored:
    data = dataset(5, [0, 1, 2, 1, 2], CHOICES, strata=STRATA)
    return compared(choice.FAMILY, choice.FAMILY.prepare(task(**params), data), GlobalSimilarity(IMAGES, TEXTS))


def test_by_hand() -> None:
    scored = by_hand(strata=["add", "swap"])
    each = {"accuracy": pytest.approx(0.5), "accuracy_add": 0.0, "accuracy_swap": 0.75}
    assert values(scored) == each | {"mean_accuracy": 0.375}
    assert {metric.chance for metric in scored.metrics.values()} == {0.5}
    assert [metric.n for metric in scored.metrics.values()] == [3, 1, 2, 3]
    assert scored.ties.queries == 1 and len(scored.warnings) == 1
    assert set(values(by_hand())) == {"accuracy"}


def test_outcomes_say_which_query_and_what_was_chosen() -> None:
    rows = by_hand().outcomes
    assert rows["direction"].tolist() == ["i2t"] * 3 and rows["sample_id"].tolist() == ["t0", "t1", "t4"]
    assert rows["cluster_id"].tolist() == ["pic0", "pic1", "pic2"]
    assert rows["rank_low"].tolist() == [1, 1, 2] and rows["rank_high"].tolist() == [1, 2, 2]
    assert rows["prediction"].tolist() == [0, 0, 1]
    assert rows["text"].tolist() == ["text 0", "text 1", "text 4"] and rows["image"][2] == "pictures/2.jpg"


def test_one_text_may_choose_among_images() -> None:
    """Winoground's form: two images and two texts, each asked about the other two."""
    data = dataset(2, [0, 1], [[(0, 0), (0, 1)], [(1, 1), (1, 0)], [(0, 0), (1, 0)], [(1, 1), (0, 1)]])
    texts = unit(np.array([[2, 1, 0], [3, 2, 0.0]]), "text")
    scored = compared(choice.FAMILY, choice.FAMILY.prepare(task(), data), GlobalSimilarity(IMAGES, texts))
    assert scored.outcomes["direction"].tolist() == ["i2t", "i2t", "t2i", "t2i"]
    assert scored.outcomes["sample_id"].tolist() == ["t0", "t1", "pic0", "pic1"]
    assert scored.outcomes["rank_low"].tolist() == [1, 1, 1, 2]


def test_sets_are_right_if_all_of_them_are() -> None:
    """Two examples: the first is right on both sides, the second only where an image chooses among texts."""
    scores = torch.tensor([[5, 1, 0, 0], [2, 6, 0, 0], [0, 0, 9, 8], [0, 0, 4, 5.0]])  # images by texts
    queries = [[(0, 0), (0, 1)], [(1, 1), (1, 0)], [(0, 0), (1, 0)], [(1, 1), (0, 1)]]
    both = queries + [[(image + 2, text + 2) for image, text in query] for query in queries]
    data = Dataset(
        [*pictures(4)],
        texts=[TextSample(f"t{row}", f"text {row}") for row in range(4)],
        owner=np.arange(4),
        choices=np.array(both),
        sets=np.repeat([0, 1], 4),
    )

    class Given:
        def pairs(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
            return scores[images, texts]

    scored = compared(choice.FAMILY, choice.FAMILY.prepare(task(sets=True), data), Given())
    assert values(scored) == {"accuracy": 0.875, "text_score": 1.0, "image_score": 0.5, "group_score": 0.5}
    assert [scored.metrics[name].chance for name in ("text_score", "image_score")] == [0.25, 0.25]
    assert scored.metrics["group_score"].chance == pytest.approx(1 / 6) and scored.metrics["group_score"].n == 2
    part = keep_images(data, np.array([True, True, True, False]))
    assert part.sets is not None and part.sets.tolist() == [0] * 4
    with pytest.raises(TaskError, match="no sets of queries"):
        choice.FAMILY.prepare(task(sets=True), dataset(5, [0, 1, 2, 1, 2], CHOICES))


def test_chance_of_sets_is_that_of_random_scores() -> None:
    """Every order of four scores: each side right in a quarter of them, the whole in a sixth."""
    orders = list(itertools.permutations(range(4)))
    text = [a > b and d > c for a, b, c, d in orders]  # scores of (image 0, text 0), (0, 1), (1, 0), (1, 1)
    image = [a > c and d > b for a, b, c, d in orders]
    both = [one and other for one, other in zip(text, image, strict=True)]
    assert (sum(text) / 24, sum(image) / 24, sum(both) / 24) == (0.25, 0.25, 1 / 6)


def test_a_query_stays_as_long_as_all_its_candidates() -> None:
    data = dataset(5, [0, 1, 2, 1, 2], CHOICES, strata=STRATA)
    part = keep_images(data, np.array([True, False, True]))
    assert part.choices is not None and part.choices.tolist() == [[[0, 0], [0, 0]]] * 0 + [[[1, 2], [1, 1]]]
    assert {name: mask.tolist() for name, mask in part.strata.items()} == {"swap": [False], "add": [True]}
    scored = compared(
        choice.FAMILY,
        choice.FAMILY.prepare(task(strata=["add", "swap"]), part),
        GlobalSimilarity(IMAGES[[0, 2]], TEXTS[[0, 2, 4]]),
    )
    assert values(scored) == {"accuracy": 0, "accuracy_add": 0}


def test_pairs_are_the_cells_of_the_matrix_in_both_modes() -> None:
    generator = torch.Generator().manual_seed(0)
    images, texts = torch.randn(30, 8, generator=generator), torch.randn(40, 8, generator=generator)
    patches = torch.randn(30, 5, 8, generator=generator)
    rows, columns = torch.randint(30, (700,), generator=generator), torch.randint(40, (700,), generator=generator)
    cosine = GlobalSimilarity(unit(images, "image"), unit(texts, "text"))
    torch.testing.assert_close(cosine.pairs(rows, columns), (cosine.images @ cosine.texts.T)[rows, columns])
    pool = TextConditionedPool(8, 2).requires_grad_(False)
    conditioned = ConditionedSimilarity(pool, PatchBlocks.of(patches, 7), texts).pairs(rows, columns)
    torch.testing.assert_close(conditioned, conditioned_matrix(pool, texts, patches)[rows, columns])


def test_refusals() -> None:
    with pytest.raises(TaskError, match="choice needs candidates"):
        choice.FAMILY.prepare(task(), Dataset(pictures(2)))
    with pytest.raises(TaskError, match="no query is about these"):
        choice.FAMILY.prepare(task(), dataset(0, [], []))
    with pytest.raises(TaskError, match="no group colour; they have swap, add"):
        choice.FAMILY.prepare(task(strata=["colour"]), dataset(5, [0, 1, 2, 1, 2], CHOICES, strata=STRATA))

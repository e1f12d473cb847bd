"""Retrieval and zero-shot classification on datasets small enough for answers by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_cases import compared, pictures, values
from hypothesis import given, settings
from hypothesis import strategies as st

from goldieval.core.errors import TaskError
from goldieval.data.samples import AnnotatedImage, Dataset, TextSample, dataset_of
from goldieval.data.subset import keep_images, limited
from goldieval.families import retrieval, zeroshot
from goldieval.families.base import Prepared, Scored
from goldieval.scoring.cosine import unit
from goldieval.scoring.similarities import GlobalSimilarity
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import RetrievalCard, ZeroshotCard

BASE: dict[str, Any] = {
    "name": "tiny",
    "version": 1,
    "protocol": "by hand",
    "title": "Tiny",
    "licence": "none",
    "source": {"reader": "folder", "path": "."},
}


def retrieval_task(**params: Any) -> Task:
    card = RetrievalCard(**BASE, family="retrieval", headline="t2i_r1", params=params)
    return Task(card, Path("card.yaml"))


def zeroshot_task(prompts: Sequence[str] = ("a {c}",), **params: Any) -> Task:
    card = ZeroshotCard(**BASE, family="zeroshot", headline="acc1", params={"prompts": list(prompts), **params})
    return Task(card, Path("card.yaml"))


def captioned(captions: Sequence[int]) -> Dataset:
    """Images with that many captions each."""
    return dataset_of(
        [
            AnnotatedImage(
                image, captions=[(f"{image.id}#{number}", f"words {image.id} {number}") for number in range(count)]
            )
            for image, count in zip(pictures(len(captions)), captions, strict=True)
        ]
    )


def labelled(labels: Sequence[int], names: list[str] | None) -> Dataset:
    return Dataset(pictures(len(labels)), np.array(labels), names)


# Two captions of the first image, one of each other. Images are the axes: text t scores TEXTS[t, i] with image i.
IMAGES = torch.eye(3)
TEXTS = torch.tensor([[6, 3, 2], [3, 6, 2], [3, 6, 2], [6, 3, 2]]) / 7


def by_hand() -> Scored:
    return compared(
        retrieval.FAMILY,
        retrieval.FAMILY.prepare(retrieval_task(k=[1, 2]), captioned([2, 1, 1])),
        GlobalSimilarity(IMAGES, TEXTS),
    )


def test_retrieval_by_hand() -> None:
    """Texts find their images at 1, 2, 1, 3. Images: the best own caption ties with 1, 1 and 3 captions of others."""
    assert values(by_hand()) == {
        "t2i_r1": 2 / 4,
        "t2i_r2": 3 / 4,
        "t2i_mean_rank": 7 / 4,
        "t2i_median_rank": 1.5,
        "i2t_r1": pytest.approx((1 / 2 + 1 / 2 + 1 / 4) / 3),
        "i2t_r2": pytest.approx((1 + 1 + 1 / 2) / 3),
        "i2t_mean_rank": pytest.approx((1.5 + 1.5 + 2.5) / 3),
        "i2t_median_rank": 1.5,
    }


def test_retrieval_outcomes_say_which_query_and_where_it_came() -> None:
    rows = by_hand().outcomes
    assert rows["direction"].tolist() == ["t2i"] * 4 + ["i2t"] * 3
    assert rows["sample_id"].tolist() == ["pic0#0", "pic0#1", "pic1#0", "pic2#0", "pic0", "pic1", "pic2"]
    assert rows["cluster_id"].tolist() == ["pic0", "pic0", "pic1", "pic2", "pic0", "pic1", "pic2"]
    assert rows["rank_low"].tolist() == [1, 2, 1, 3, 1, 1, 1]
    assert rows["rank_high"].tolist() == [1, 2, 1, 3, 2, 2, 4]
    assert rows["positives"].tolist() == [1, 1, 1, 1, 2, 1, 1]
    assert rows["tied_positives"].tolist() == [1, 1, 1, 1, 1, 1, 1]
    assert rows["image"].tolist() == [f"pictures/{row}.jpg" for row in (0, 0, 1, 2, 0, 1, 2)]
    texts = ["words pic0 0", "words pic0 1", "words pic1 0", "words pic2 0"]
    assert rows["text"].tolist() == [*texts, "", "", ""]


def test_captions_are_clustered_by_their_image() -> None:
    metrics = by_hand().metrics
    assert (metrics["t2i_r1"].n, metrics["t2i_r1"].clusters) == (4, 3)
    assert (metrics["i2t_r1"].n, metrics["i2t_r1"].clusters) == (3, 3)
    assert metrics["t2i_r1"].chance == pytest.approx(1 / 3)
    assert metrics["i2t_r1"].chance == pytest.approx((2 / 4 + 1 / 4 + 1 / 4) / 3)
    assert metrics["t2i_mean_rank"].chance == 2


def test_ties_that_decide_recall_are_counted_and_warned_of() -> None:
    scored = by_hand()
    assert scored.ties.queries == 3 and scored.ties.gap == 1
    assert len(scored.warnings) == 1 and "100.0 points: 3 queries" in scored.warnings[0]


def test_an_image_that_no_text_speaks_of_is_a_candidate_but_no_query() -> None:
    texts = [TextSample("t", "one")]
    dataset = Dataset(pictures(3), texts=texts, positives=np.array([[0, 0]]), owner=np.array([0]))
    scored = compared(
        retrieval.FAMILY,
        retrieval.FAMILY.prepare(retrieval_task(k=[1]), dataset),
        GlobalSimilarity(IMAGES, unit(np.array([[1, 2, 0.0]]), "text")),
    )
    assert scored.outcomes["sample_id"].tolist() == ["t", "pic0"]
    assert scored.metrics["t2i_mean_rank"].value == 2 and scored.metrics["i2t_r1"].n == 1


def test_retrieval_refuses_data_without_captions() -> None:
    with pytest.raises(TaskError, match="needs captions"):
        retrieval.FAMILY.prepare(retrieval_task(), Dataset(pictures(2)))


def classify(names: list[str], labels: Sequence[int], images: Any, texts: Any, **card: Any) -> Scored:
    prepared = zeroshot.FAMILY.prepare(zeroshot_task(**card), labelled(labels, names))
    similarity = GlobalSimilarity(unit(np.array(images, dtype=float), "image"), unit(np.array(texts), "text"))
    return compared(zeroshot.FAMILY, prepared, similarity)


def test_zeroshot_by_hand() -> None:
    images = [[9, 1, 2], [9, 2, 1], [2, 9, 1], [8, 1, 3], [1, 2, 9]]
    scored = classify(["x", "y", "z"], [0, 0, 1, 1, 0], images, np.eye(3))
    assert values(scored) == {"acc1": 3 / 5, "mean_per_class_recall": pytest.approx((2 / 3 + 1 / 2) / 2)}
    assert scored.metrics["acc1"].chance == 1 / 3 and scored.metrics["acc1"].method == "wilson"
    rows = scored.outcomes
    assert rows["prediction"].tolist() == [0, 0, 1, 0, 2] and rows["label"].tolist() == [0, 0, 1, 1, 0]
    assert rows["rank_low"].tolist() == rows["rank_high"].tolist() == [1, 1, 1, 3, 3]
    assert rows["sample_id"].tolist() == rows["cluster_id"].tolist() == [f"pic{row}" for row in range(5)]
    assert rows["image"][3] == "pictures/3.jpg" and rows["text"].tolist() == ["x", "x", "y", "y", "x"]
    assert set(rows["direction"]) == {"i2c"}


def test_acc5_is_there_from_six_classes_on() -> None:
    images = np.eye(6) + np.linspace(0.5, 0, 6)
    six = values(classify(list("abcdef"), [5, 5, 5, 4, 0, 5], images, np.eye(6)))
    assert six["acc1"] == 1 / 6 and six["acc5"] == 3 / 6
    assert "acc5" not in values(classify(list("abcde"), [0, 1], images[:2, :5], np.eye(5)))


def test_identical_class_vectors_share_the_hit() -> None:
    scored = classify(["x", "y", "z"], [0, 1, 2], np.eye(3), [[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])
    assert values(scored)["acc1"] == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert scored.outcomes["rank_high"].tolist() == [2, 2, 1] and scored.ties.queries == 2 and scored.warnings


def test_the_ensemble_normalises_averages_and_normalises_again() -> None:
    """On prompts of very different lengths, and pictures among which every other formula errs somewhere."""
    generator = np.random.default_rng(0)
    texts = generator.normal(size=(6, 4)) * [[1], [100], [1], [5], [0.1], [3]]
    images = generator.normal(size=(300, 4))

    def unit_rows(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    def predictions(classes: np.ndarray) -> list[int]:
        return (images @ classes.T).argmax(1).tolist()

    grouped = texts.reshape(3, 2, 4)
    expected = predictions(unit_rows(unit_rows(grouped).mean(1)))
    assert expected not in (predictions(unit_rows(grouped.mean(1))), predictions(unit_rows(grouped).mean(1)))
    scored = classify(["x", "y", "z"], [0] * 300, images, texts, prompts=["a {c}", "the {c}"])
    assert scored.outcomes["prediction"].tolist() == expected


def test_every_text_is_encoded_once_and_goes_to_its_class() -> None:
    prepared = zeroshot.FAMILY.prepare(zeroshot_task(["{c}", "a {c}"]), labelled([0, 1, 2], ["cat", "a cat", "dog"]))
    texts = [text.text for text in prepared.texts]
    assert texts == ["cat", "a cat", "a a cat", "dog", "a dog"]
    vectors = torch.eye(5)
    images = unit(np.array([[1, 0.9, 0, 0, 0], [0, 0.9, 1, 0, 0], [0, 0, 0, 1, 1.0]]), "image")
    assert values(compared(zeroshot.FAMILY, prepared, GlobalSimilarity(images, vectors)))["acc1"] == 1


@pytest.mark.parametrize(
    ("names", "in_data", "message"),
    [
        (["dog", "cat"], ["cat", "dog"], "another order .* class 0 is 'cat' in the data but 'dog'"),
        (["Hot Dog", "cat"], ["cat", "hot_dog"], "another order"),
        (["cat", "dog", "cow"], ["cat", "dog"], "3 class names for 2 classes"),
    ],
)
def test_classes_in_another_order_than_the_labels_are_refused(
    names: list[str], in_data: list[str], message: str
) -> None:
    with pytest.raises(TaskError, match=message):
        zeroshot.FAMILY.prepare(zeroshot_task(class_names=names), labelled([0, 1], in_data))


def test_class_names_may_be_written_more_nicely_than_in_the_data() -> None:
    prepared = zeroshot.FAMILY.prepare(
        zeroshot_task(class_names=["Cat", "hot dog"]), labelled([0, 1], ["cat", "hot_dog"])
    )
    assert [text.text for text in prepared.texts] == ["a Cat", "a hot dog"]


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [([0, 2], ["x", "y"], r"labels outside 0..1: pic1 \(2\)"), ([0, -1], ["x", "y"], "pic1"), ([0], None, "no class")],
)
def test_labels_without_their_name_are_refused(labels: list[int], names: list[str] | None, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        zeroshot.FAMILY.prepare(zeroshot_task(), labelled(labels, names))
    with pytest.raises(TaskError, match="needs labels"):
        zeroshot.FAMILY.prepare(zeroshot_task(), Dataset(pictures(2)))


def test_prompt_and_name_hashes_follow_their_content() -> None:
    details = zeroshot.FAMILY.prepare(zeroshot_task(), labelled([0, 1], ["x", "y"])).details
    other_prompt = zeroshot.FAMILY.prepare(zeroshot_task(["the {c}"]), labelled([0, 1], ["x", "y"])).details
    other_names = zeroshot.FAMILY.prepare(zeroshot_task(), labelled([0, 1], ["x", "w"])).details
    assert [details[key] == other_prompt[key] for key in ("prompts_sha256", "class_names_sha256")] == [False, True]
    assert [details[key] == other_names[key] for key in ("prompts_sha256", "class_names_sha256")] == [True, False]


def test_permuted_labels_give_what_class_and_prediction_counts_predict() -> None:
    generator = np.random.default_rng(0)
    labels = generator.choice(4, 300, p=[0.6, 0.2, 0.15, 0.05])
    images = unit(generator.normal(size=(300, 8)) + 0.5, "image")
    texts = unit(generator.normal(size=(4, 8)), "text")

    def scored(order: np.ndarray) -> Scored:
        prepared = zeroshot.FAMILY.prepare(zeroshot_task(), labelled(order, list("abcd")))
        return compared(zeroshot.FAMILY, prepared, GlobalSimilarity(images, texts))

    predicted = np.bincount(scored(labels).outcomes["prediction"], minlength=4)
    assert np.ptp(predicted) > 50
    found = [values(scored(generator.permutation(labels))) for _ in range(100)]
    accuracy = (np.bincount(labels) * predicted).sum() / 300**2
    for name, expected in (("acc1", accuracy), ("mean_per_class_recall", 1 / 4)):
        sample = np.array([each[name] for each in found])
        assert abs(sample.mean() - expected) < 4 * sample.std() / 10


@st.composite
def related(draw: st.DrawFn) -> tuple[Dataset, np.ndarray]:
    """A dataset with any relevance, and which images to keep."""
    owners = draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))
    cells = [(text, image) for text in range(len(owners)) for image in range(6)]
    pairs = sorted({*draw(st.lists(st.sampled_from(cells), max_size=12)), *enumerate(owners)})
    texts = [TextSample(f"t{row}", f"text {row}") for row in range(len(owners))]
    dataset = Dataset(pictures(6), np.arange(6), list("abcdef"), texts, np.array(pairs), np.array(owners))
    return dataset, np.array(draw(st.lists(st.booleans(), min_size=6, max_size=6).filter(any)))


def relations(dataset: Dataset) -> tuple[set[tuple[str, str]], dict[str, str]]:
    assert dataset.positives is not None and dataset.owner is not None
    ids = [image.id for image in dataset.images]
    pairs = {(dataset.texts[text].id, ids[image]) for text, image in dataset.positives.tolist()}
    return pairs, {text.id: ids[owner] for text, owner in zip(dataset.texts, dataset.owner, strict=True)}


@given(related())
@settings(max_examples=60, deadline=None)
def test_a_subset_keeps_the_relations_of_what_it_keeps(made: tuple[Dataset, np.ndarray]) -> None:
    dataset, keep = made
    part = keep_images(dataset, keep)
    kept = {image.id for image, kept in zip(dataset.images, keep, strict=True) if kept}
    pairs, owners = relations(dataset)
    part_pairs, part_owners = relations(part)
    assert {image.id for image in part.images} == kept
    assert part_owners == {text: owner for text, owner in owners.items() if owner in kept}
    assert part_pairs == {(text, image) for text, image in pairs if text in part_owners and image in kept}
    assert part.labels is not None and [f"pic{label}" for label in part.labels] == [image.id for image in part.images]
    assert part.class_names == dataset.class_names


def test_a_limit_takes_the_same_images_whatever_their_order_and_keeps_the_order() -> None:
    dataset = labelled(list(range(20)), [str(label) for label in range(20)])
    backwards = Dataset(dataset.images[::-1], dataset.labels[::-1], dataset.class_names)  # type: ignore[index]
    few, same = limited(dataset, 7), limited(backwards, 7)
    ids = [image.id for image in few.images]
    assert ids == [image.id for image in same.images][::-1] != [f"pic{row}" for row in range(7)]
    assert ids == sorted(ids, key=lambda id: int(id[3:])) and few.labels is not None
    assert [f"pic{label}" for label in few.labels] == ids
    assert {image.id for image in limited(dataset, 5).images} < set(ids)
    assert limited(dataset, 20) is dataset and limited(dataset, 21) is dataset


def test_a_limited_retrieval_task_is_scored_on_its_own_gallery() -> None:
    part: Prepared = retrieval.FAMILY.prepare(
        retrieval_task(k=[1]), keep_images(captioned([2, 1, 1]), np.array([True, False, True]))
    )
    scored = compared(retrieval.FAMILY, part, GlobalSimilarity(IMAGES[[0, 2]], TEXTS[[0, 1, 3]]))
    assert scored.outcomes["rank_low"].tolist()[:3] == [1, 1, 2]
    assert scored.metrics["t2i_r1"].chance == pytest.approx(1 / 2)

"""The tasks of the built-in world: true by execution, a perfect model at the ceiling, a blind one at chance."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_cases import compared
from helpers import goldieval, records

from goldieval.data.samples import Dataset
from goldieval.data.shapes import answer, questions, sample_scene, satisfies
from goldieval.data.shapes.composition import choices
from goldieval.data.shapes.language import long_caption
from goldieval.data.shapes.questions import QUESTION_TYPES
from goldieval.data.shapes.reader import ShapesSource
from goldieval.data.shapes.relevance import answered
from goldieval.families.base import Prepared, Scored, family_of
from goldieval.metrics.registry import metric_of
from goldieval.scoring.cosine import unit
from goldieval.scoring.similarities import GlobalSimilarity
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import Catalogue

COMPARING = ("shapes-question", "shapes-question-answer", "shapes-finegrained", "shapes-composition")
SCENES = [sample_scene("test", index) for index in range(150)]


_really_read = ShapesSource.read


@functools.cache
def _read(source: str) -> Dataset:
    return _really_read(ShapesSource.model_validate_json(source), Path())


@pytest.fixture(autouse=True)
def _data_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ShapesSource, "read", lambda source, _: _read(source.model_dump_json()))


@functools.cache
def prepared_of(name: str) -> Prepared:
    (task,) = Catalogue().select([name]).tasks
    return family_of(task.card.family).prepare(task, task.card.source.read(Path()))


def true_pairs(dataset: Dataset) -> np.ndarray:
    """Pairs (text, image) that a perfect model scores high."""
    if dataset.positives is not None:
        return dataset.positives
    assert dataset.choices is not None
    return dataset.choices[:, 0, ::-1]


def oracle(dataset: Dataset, order: np.ndarray) -> GlobalSimilarity:
    """Image vectors are the axes, a text points to its positives; ``order`` renames the images."""
    texts = np.full((len(dataset.texts), len(dataset.images)), 1e-3, dtype=np.float32)
    pairs = true_pairs(dataset)
    texts[pairs[:, 0], order[pairs[:, 1]]] = 1
    return GlobalSimilarity(torch.eye(len(dataset.images)), unit(texts, "text"))


def scored(name: str, order: np.ndarray | None = None) -> Scored:
    prepared = prepared_of(name)
    dataset = prepared.dataset
    similarity = oracle(dataset, np.arange(len(dataset.images)) if order is None else order)
    return compared(family_of(prepared.task.card.family), prepared, similarity)


def hits(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metric for name, metric in metrics.items() if not name.endswith("_rank")}


@pytest.mark.parametrize("name", COMPARING)
def test_a_perfect_model_reaches_the_ceiling_in_every_stratum(name: str) -> None:
    metrics = hits(scored(name).metrics)
    assert all(metric.value == metric.ceiling == 1 for metric in metrics.values())
    card = prepared_of(name).task.card
    assert set(metrics) == {metric for metric in card.metrics() if not metric.endswith("_rank")}
    whole = metric_of(card.headline).whole
    assert sum(f"{whole}_" in metric for metric in metrics) == len(card.params.strata) >= 2  # type: ignore[union-attr]


@pytest.mark.parametrize("name", COMPARING[:3])
def test_a_model_of_shuffled_images_is_at_chance(name: str) -> None:
    order = np.random.default_rng(0).permutation(1000)
    metric = scored(name, order).metrics["t2i_r10"]
    assert metric.low - 0.01 < metric.chance < metric.high + 0.01  # type: ignore[operator]


def test_random_scores_choose_at_chance() -> None:
    prepared = prepared_of("shapes-composition")
    generator = np.random.default_rng(0)
    vectors = [unit(generator.normal(size=(len(part), 16)), "") for part in (prepared.dataset.images, prepared.texts)]
    metrics = compared(family_of("choice"), prepared, GlobalSimilarity(*vectors)).metrics
    assert all(metric.low < 0.25 < metric.high for metric in metrics.values())
    assert all(metric.chance == 0.25 for metric in metrics.values())


def test_chance_of_vqa_is_reached_by_blind_guesses_and_the_ceiling_by_the_answers() -> None:
    prepared = prepared_of("shapes-vqa")
    dataset = prepared.dataset
    assert dataset.answers is not None and dataset.types is not None
    perfect = family_of("vqa").score(prepared, dataset.answers.tolist()).metrics
    assert len(perfect) == 1 + 2 + len(QUESTION_TYPES) and all(metric.value == 1 for metric in perfect.values())
    shuffled = np.empty_like(dataset.answers)
    for type in QUESTION_TYPES:
        here = np.flatnonzero(dataset.types == type)
        shuffled[here] = dataset.answers[np.random.default_rng(0).permutation(here)]
    metrics = family_of("vqa").score(prepared, shuffled.tolist()).metrics
    assert all(metric.value < metric.chance + 0.05 for metric in metrics.values())  # type: ignore[operator]


@pytest.mark.parametrize("with_answer", [False, True])
def test_answered_is_answer_on_every_scene(with_answer: bool) -> None:
    asked = [question for scene in SCENES for question in questions(scene, 4)][:400]
    replies = [question.answer if with_answer else None for question in asked]
    found = set(map(tuple, answered([question.meaning for question in asked], SCENES, replies).tolist()))
    true = {
        (q, s)
        for q, question in enumerate(asked)
        for s, scene in enumerate(SCENES)
        if (reply := answer(question.meaning, scene)) is not None and (reply == question.answer or not with_answer)
    }
    assert found == true


@pytest.mark.parametrize("name", ["shapes-question", "shapes-question-answer"])
def test_questions_are_those_that_at_most_a_tenth_fits(name: str) -> None:
    dataset = prepared_of(name).dataset
    asked = {question.id: question for n in range(1000) for question in questions(sample_scene("test", n), 4)}
    assert dataset.positives is not None and dataset.owner is not None
    counts = np.bincount(dataset.positives[:, 0], minlength=len(dataset.texts))
    assert counts.min() >= 1 and counts.max() <= 100
    owns = set(map(tuple, dataset.positives.tolist()))
    assert {(text, owner) for text, owner in enumerate(dataset.owner.tolist())} <= owns
    for row, text in enumerate(dataset.texts):
        question = asked[text.id]
        assert text.text == (f"{question.text} {question.answer}" if name.endswith("answer") else question.text)
        assert dataset.strata["heldout"][row] == question.held_out != dataset.strata["seen"][row]
    if name == "shapes-question":
        assert not {asked[text.id].type for text in dataset.texts} & {"count", "existence"}


def test_sentences_are_those_of_the_long_captions_by_kind() -> None:
    dataset = prepared_of("shapes-finegrained").dataset
    own = [text for n in range(1000) for text, _ in long_caption(sample_scene("test", n))]
    assert [text.text for text in dataset.texts] == own
    objects = sum(len(sample_scene("test", n).objects) for n in range(1000))
    sums = {name: int(mask.sum()) for name, mask in dataset.strata.items()}
    assert sums == {"object": objects, "relation": objects - 1000, "background": 1000}


def test_false_captions_are_false_and_differ_only_in_order() -> None:
    made = [(scene, choice) for scene in SCENES for choice in choices(scene)]
    assert len(made) > 200 and {choice.kind for _, choice in made} == {"attribute", "relation"}
    for scene, choice in made:
        texts = [text for text, _ in choice.captions]
        assert len(set(texts)) == len(texts) == 4
        assert [satisfies(query, scene) for _, query in choice.captions] == [True, False, False, False]
        bags = [sorted("a" if word == "an" else word for word in text.split()) for text in texts]
        assert bags[0] == bags[1] and (choice.kind == "relation" or bags[0] == bags[2] == bags[3])


def test_choices_are_the_same_each_time_and_pairs_point_to_the_scene() -> None:
    assert choices(SCENES[0]) == choices(sample_scene("test", 0))
    dataset = prepared_of("shapes-composition").dataset
    assert dataset.choices is not None and dataset.owner is not None
    assert (dataset.owner[dataset.choices[..., 1]] == dataset.choices[..., 0]).all()
    texts = [dataset.texts[row] for row in dataset.choices[0, :, 1]]
    assert [text.id for text in texts] == [f"test-000000:attribute-{n}" for n in range(4)]


def test_every_card_runs_with_an_untrained_model(tmp_path: Path) -> None:
    """The same command as for a real one; vqa fails, with its one line in the record."""
    tasks = ",".join([*COMPARING, "shapes-vqa"])
    ran = goldieval("run", "--model", "random", "--tasks", tasks, "--limit", "30", "--out", tmp_path, "--workers", "1")
    made = {record["task"]["name"]: record for record in records(tmp_path)}
    assert ran.code == 1 and len(made) == 5
    reasons = {name: record["reason"] for name, record in made.items() if record["status"] != "ok"}
    assert list(reasons) == ["shapes-vqa"] and "has no generate" in reasons["shapes-vqa"]
    assert {"t2i_r1_seen", "t2i_r1_heldout"} <= set(made["shapes-question"]["metrics"])
    assert "T2I R@1 heldout" in ran.out and "accuracy relation" in ran.out


def test_strata_can_be_left_out_and_unknown_ones_are_one_line() -> None:
    task = prepared_of("shapes-question").task

    def named(strata: list[str]) -> Task:
        return task.override({"strata": strata})

    assert "t2i_r1_seen" not in named([]).card.metrics() and named([]).hash != task.hash
    with pytest.raises(Exception, match="no group colour; they have seen, heldout"):
        family_of("retrieval").prepare(named(["colour"]), prepared_of("shapes-question").dataset)

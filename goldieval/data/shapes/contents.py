"""Contents of the tasks on drawn scenes: labels, captions, sentences, questions or choices, with all positives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.shapes.composition import choices
from goldieval.data.shapes.language import Caption, long_caption, short_captions
from goldieval.data.shapes.meaning import QUESTION_TYPES, SceneQuery
from goldieval.data.shapes.questions import Question, questions
from goldieval.data.shapes.relevance import answered, relevant
from goldieval.data.shapes.world import CLASSES, Scene

MOST_POSITIVES = 0.1  # maximum fraction of the gallery that may be relevant to a question used as a query


def zeroshot(images: list[ImageSample], scenes: Sequence[Scene]) -> Dataset:
    """Return "dominant" scenes with the class of the large object."""
    return Dataset(
        images=images,
        labels=np.array([scene.label for scene in scenes], dtype=np.int64),
        class_names=[f"{colour} {shape}" for colour, shape in CLASSES],
    )


def probe(images: list[ImageSample], scenes: Sequence[Scene]) -> Dataset:
    """Return "dominant" scenes of train, to fit on, and those of another split whose classes occur in train."""
    learned = {scene.label for scene in scenes if scene.split == "train"}
    rows = [row for row, scene in enumerate(scenes) if scene.label in learned]
    new = {label: number for number, label in enumerate(sorted(learned))}
    return Dataset(
        images=[images[row] for row in rows],
        labels=np.array([new[scenes[row].label] for row in rows], dtype=np.int64),
        class_names=[" ".join(CLASSES[label]) for label in new],
        train=np.array([scenes[row].split == "train" for row in rows]),
    )


def retrieval(images: list[ImageSample], scenes: Sequence[Scene], captions_per_scene: int) -> Dataset:
    """Return short captions as queries."""
    return _captioned(images, scenes, [short_captions(scene, captions_per_scene) for scene in scenes])


def finegrained(images: list[ImageSample], scenes: Sequence[Scene]) -> Dataset:
    """Return each sentence of the long captions as a query; strata: the kind of content."""
    captions = [long_caption(scene) for scene in scenes]
    dataset = _captioned(images, scenes, captions)
    kinds = np.array([_kind(query) for own in captions for _, query in own])
    dataset.strata = {kind: kinds == kind for kind in ("object", "relation", "background")}
    return dataset


def _kind(query: SceneQuery) -> str:
    return "background" if query.background else "relation" if query.relations else "object"


def _captioned(images: list[ImageSample], scenes: Sequence[Scene], captions: list[list[Caption]]) -> Dataset:
    """Return captions as queries; all scenes that satisfy a caption are its positives, not only its own."""
    texts = [
        TextSample(f"{scene.id}#{number}", text)
        for scene, own in zip(scenes, captions, strict=True)
        for number, (text, _) in enumerate(own)
    ]
    return Dataset(
        images=images,
        texts=texts,
        positives=relevant([query for own in captions for _, query in own], scenes),
        owner=np.repeat(np.arange(len(scenes)), [len(own) for own in captions]),
    )


def question_retrieval(
    images: list[ImageSample], scenes: Sequence[Scene], questions_per_scene: int, with_answer: bool
) -> Dataset:
    """Return questions as queries; positives are all scenes to which a question applies (with its answer, if given).

    Questions relevant to more than ``MOST_POSITIVES`` of the gallery are omitted: "how many red stars are there?"
    applies to every scene. Strata: whether the phrasing occurs in the train split.
    """
    found, owner = _questions(scenes, questions_per_scene)
    answers = [question.answer if with_answer else None for question in found]
    positives = answered([question.meaning for question in found], scenes, answers)
    useful = np.bincount(positives[:, 0], minlength=len(found)) <= MOST_POSITIVES * len(scenes)
    new_row = np.cumsum(useful) - 1
    pairs = positives[useful[positives[:, 0]]]
    kept = [question for question, keep in zip(found, useful, strict=True) if keep]
    return Dataset(
        images=images,
        texts=[TextSample(q.id, f"{q.text} {q.answer}" if with_answer else q.text) for q in kept],
        positives=np.stack([new_row[pairs[:, 0]], pairs[:, 1]], axis=1),
        owner=owner[useful],
        strata=_templates(kept),
    )


def vqa(images: list[ImageSample], scenes: Sequence[Scene], questions_per_scene: int) -> Dataset:
    """Return questions to be answered. Strata: the types, and whether the phrasing occurs in the train split."""
    found, owner = _questions(scenes, questions_per_scene)
    types = np.array([question.type for question in found])
    return Dataset(
        images=images,
        texts=[TextSample(question.id, question.text) for question in found],
        owner=owner,
        answers=np.array([question.answer for question in found]),
        types=types,
        strata=_templates(found) | {type: types == type for type in QUESTION_TYPES},
    )


def composition(images: list[ImageSample], scenes: Sequence[Scene]) -> Dataset:
    """Return true captions with false ones. Strata: what is exchanged in the false ones."""
    found = [(row, choice) for row, scene in enumerate(scenes) for choice in choices(scene)]
    texts = [
        TextSample(f"{choice.id}-{number}", text)
        for _, choice in found
        for number, (text, _) in enumerate(choice.captions)
    ]
    candidates = len(found[0][1].captions) if found else 0
    owner = np.repeat(np.array([row for row, _ in found], dtype=np.int64), candidates)
    kinds = np.array([choice.kind for _, choice in found])
    pairs = np.stack([owner, np.arange(len(texts))], axis=1)
    return Dataset(
        images=images,
        texts=texts,
        owner=owner,
        choices=pairs.reshape(len(found), candidates, 2),
        strata={kind: kinds == kind for kind in ("attribute", "relation")},
    )


def _questions(scenes: Sequence[Scene], per_scene: int) -> tuple[list[Question], np.ndarray]:
    """Return the questions of all scenes, and the index of the scene for each."""
    own = [questions(scene, per_scene) for scene in scenes]
    return [question for some in own for question in some], np.repeat(np.arange(len(own)), [len(some) for some in own])


def _templates(found: Sequence[Question]) -> dict[str, np.ndarray]:
    held_out = np.array([question.held_out for question in found], dtype=bool)
    return {"seen": ~held_out, "heldout": held_out}

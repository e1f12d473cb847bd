"""A card's ``prepare`` block: named steps between a reader and a task, each with typed options, in a fixed order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from goldieval.core.errors import TaskError
from goldieval.data.derive import captions, questions, sentences, split
from goldieval.data.samples import Dataset, TextSample
from goldieval.data.subset import keep_images

Positive = Annotated[int, Field(ge=1)]


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RandomSplit(_Step):
    """Keep one part of a random split of the images.

    Attributes:
        seed: Seed of the permutation.
        sizes: Number of images in each part.
        part: Part to keep, counted from 0.
    """

    seed: int
    sizes: Annotated[list[Positive], Field(min_length=2)]
    part: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _there_is_such_a_part(self) -> RandomSplit:
        if self.part >= len(self.sizes):
            raise ValueError(f"part {self.part} of {len(self.sizes)} sizes: parts count from 0")
        return self

    def apply(self, dataset: Dataset) -> Dataset:
        keep = np.zeros(len(dataset.images), dtype=bool)
        keep[split.random_split(len(keep), self.sizes, self.seed)[self.part]] = True
        return keep_images(dataset, keep)


class Join(_Step):
    """Join an image's captions to one, in the original order."""

    separator: str

    def apply(self, dataset: Dataset) -> Dataset:
        return _each_image(dataset, lambda texts: [captions.joined(texts, self.separator)])


class FirstLine(_Step):
    """Keep the first line of every caption."""

    def apply(self, dataset: Dataset) -> Dataset:
        return _each_image(dataset, lambda texts: [captions.first_line(text) for text in texts])


class Rejoin(_Step):
    """Split every caption into sentences and join them again with ". "."""

    def apply(self, dataset: Dataset) -> Dataset:
        return _each_image(dataset, lambda texts: [sentences.rejoined(text) for text in texts])


class Sentences(_Step):
    """Make every sentence of at least ``min_length`` characters a separate caption."""

    min_length: Positive = 1

    def apply(self, dataset: Dataset) -> Dataset:
        return _each_image(
            dataset,
            lambda texts: [part for text in texts for part in sentences.sentences_of(text, self.min_length)],
            renumber=True,
        )


class First(_Step):
    """Keep the first captions of an image."""

    captions: Positive

    def apply(self, dataset: Dataset) -> Dataset:
        return _each_image(dataset, lambda texts: captions.first(texts, self.captions))


class Questions(_Step):
    """Convert questions with answers into retrieval queries, at most one per image."""

    with_answer: bool
    answer_type: str = "other"
    agreement: Positive = 3
    most_images: Positive = 20

    def apply(self, dataset: Dataset) -> Dataset:
        found = questions.sampled(_asked(dataset), self.with_answer, self.answer_type, self.agreement, self.most_images)
        if not found:
            raise TaskError("prepare.questions: no question remains; none has that agreement and type.")
        pairs = [(row, image) for row, query in enumerate(found) for image in query.images]
        return Dataset(
            images=dataset.images,
            texts=[TextSample(str(query.asked.id), query.text) for query in found],
            positives=np.asarray(pairs, dtype=np.int64),
            owner=np.asarray([query.asked.image for query in found], dtype=np.int64),
        )


class Prepare(_Step):
    """The steps that a card may name, applied in the order in which they are listed here."""

    random_split: RandomSplit | None = None
    join: Join | None = None
    first_line: FirstLine | None = None
    rejoin: Rejoin | None = None
    sentences: Sentences | None = None
    first: First | None = None
    questions: Questions | None = None

    def apply(self, dataset: Dataset) -> Dataset:
        """Return the dataset after all steps. Raises TaskError if the data lack what a step requires."""
        for name in type(self).model_fields:
            step = getattr(self, name)
            if step is not None:
                dataset = step.apply(dataset)
        return dataset


def digest(dataset: Dataset) -> str:
    """Return the SHA-256 of the output: ids of the images, then ids and texts of the texts, one per line."""
    total = hashlib.sha256()
    for image in dataset.images:
        total.update(f"{image.id}\n".encode())
    for text in dataset.texts:
        total.update(f"{text.id}\t{text.text}\n".encode())
    return total.hexdigest()


def _each_image(dataset: Dataset, change: Callable[[Sequence[str]], list[str]], renumber: bool = False) -> Dataset:
    """Replace each image's captions by the result of ``change``, with their ids or numbered again."""
    if dataset.owner is None or dataset.positives is None or dataset.answers is not None:
        raise TaskError(
            "prepare: this step needs captions, but the data have none: name the caption column in `source`."
        )
    own: list[list[TextSample]] = [[] for _ in dataset.images]
    for text, image in zip(dataset.texts, dataset.owner, strict=True):
        own[image].append(text)
    ids = [image.id for image in dataset.images]
    made = [
        _named(id, texts, change([text.text for text in texts]), renumber) for id, texts in zip(ids, own, strict=True)
    ]
    if without := [id for id, texts in zip(ids, made, strict=True) if not texts]:
        raise TaskError(f"prepare: no captions remain for {len(without):,} images: {without[0]}.")
    owner = np.repeat(np.arange(len(made)), [len(texts) for texts in made])
    texts = [text for texts in made for text in texts]
    positives = np.stack([np.arange(len(texts)), owner], axis=1)
    return replace(dataset, texts=texts, owner=owner, positives=positives)


def _named(image: str, before: Sequence[TextSample], after: list[str], renumber: bool) -> list[TextSample]:
    if renumber:
        return [TextSample(f"{image}#{number}", text) for number, text in enumerate(after)]
    return [TextSample(old.id, text) for old, text in zip(before, after, strict=False)]


def _asked(dataset: Dataset) -> list[questions.SourceQuestion]:
    if dataset.answers is None or dataset.types is None or dataset.agreement is None or dataset.owner is None:
        raise TaskError("prepare.questions needs questions with answers, types and agreement: use the vqa reader.")
    columns = zip(dataset.texts, dataset.owner, dataset.answers, dataset.types, dataset.agreement, strict=True)
    return [
        questions.SourceQuestion(int(text.id), int(image), text.text, str(answer), str(type), int(agreed))
        for text, image, answer, type, agreed in columns
    ]

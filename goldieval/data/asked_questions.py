"""Questions with their answers, collected row by row, and the data set that they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset, ImageSample, TextSample


@dataclass(frozen=True)
class Question:
    """A question about an image.

    Attributes:
        id: Its id; empty for a number among the questions about its image.
        text: The question.
        image: Index of the image.
        answer: The true answer; None if the data have none.
        references: Answers of several annotators.
        options: Answers that it offers, in the order of their letters.
        hint: What is told beside it.
        type: Its type; may be empty.
        strata: Names of the groups that it belongs to.
    """

    id: str
    text: str
    image: int
    answer: str | None = None
    references: list[str] | None = None
    options: list[str] | None = None
    hint: str | None = None
    type: str = ""
    strata: Sequence[str] = ()


@dataclass
class AskedQuestions:
    """Questions in the order of their rows; equal texts are kept once in memory."""

    _questions: list[Question] = field(default_factory=list)
    _ids: dict[str, str] = field(default_factory=dict)  # id to the row that has it
    _texts: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._questions)

    def add(self, where: str, question: Question) -> None:
        """Add a question. Raises TaskError if it is empty, or if its id is there already."""
        if not question.text.strip():
            raise TaskError(f"{where}: the question is empty.")
        if question.id and question.id in self._ids:
            raise TaskError(
                f"{where}: the question id {question.id[:40]!r} is there twice, also in {self._ids[question.id]}. "
                "Name the columns that tell questions apart in source.question_id, or none to have them numbered."
            )
        if question.id:
            self._ids[question.id] = where.rpartition("/")[2]
        if question.references is not None:
            question.references[:] = [self._texts.setdefault(text, text) for text in question.references]
        self._questions.append(question)

    def dataset(self, images: list[ImageSample], notes: list[str]) -> Dataset:
        """Return the questions with their images."""
        asked = self._questions
        owner = np.array([each.image for each in asked], dtype=np.int64)
        references = [each.references for each in asked if each.references is not None]
        answers = [each.answer for each in asked if each.answer is not None]
        return Dataset(
            images=images,
            texts=[TextSample(id, each.text) for id, each in zip(self._named(images), asked, strict=True)],
            positives=np.stack([np.arange(len(asked)), owner], axis=1),
            owner=owner,
            answers=np.array(answers, dtype=object) if answers else None,
            types=np.array([each.type for each in asked], dtype=object),
            agreement=_agreement(asked) if references else None,
            references=references or None,
            options=[each.options for each in asked if each.options is not None] or None,
            hints=[each.hint for each in asked if each.hint is not None] or None,
            strata={
                name: np.array([name in each.strata for each in asked])
                for name in sorted({name for each in asked for name in each.strata})
            },
            notes=notes,
        )

    def _named(self, images: list[ImageSample]) -> list[str]:
        """Return the id of each question; one without is ``IMAGE#NUMBER``, with its number among those of its image."""
        before: Counter[int] = Counter()
        ids = []
        for each in self._questions:
            ids.append(each.id or f"{images[each.image].id}#{before[each.image]}")
            before[each.image] += 1
        return ids


def _agreement(asked: list[Question]) -> np.ndarray:
    """Return the number of annotators who gave the answer of each question, (questions,)."""
    return np.array([(each.references or []).count(each.answer or "") for each in asked], dtype=np.int64)

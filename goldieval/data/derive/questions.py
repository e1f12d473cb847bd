"""Questions as retrieval queries: our reconstruction of a question-based retrieval (docs/tasks.md, "recon").

Queries are human questions about the images of a gallery, alone or followed by their answer. One question per image is
kept, and every image with the same query is a positive, so that an exact duplicate never counts as an error.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SourceQuestion:
    """A question about an image.

    Attributes:
        id: Unique number that defines an order.
        image: Row of the image in the gallery.
        text: The question.
        answer: Its answer.
        type: Type of the answer, as in the data.
        agreement: Number of annotators who gave this answer.
    """

    id: int
    image: int
    text: str
    answer: str
    type: str
    agreement: int


@dataclass(frozen=True)
class KeptQuestion:
    """A question that is used as a query.

    Attributes:
        asked: The question.
        text: Text of the query.
        images: Gallery rows of all images with this question, ascending.
    """

    asked: SourceQuestion
    text: str
    images: tuple[int, ...]


def normalised(text: str) -> str:
    """Return the normal form by which questions are compared: lower case, single spaces, no final punctuation.

    >>> normalised("  What  colour is the Bus? ")
    'what colour is the bus'
    """
    return re.sub(r"[\s?.!,;:]+$", "", " ".join(text.lower().split()))


def sampled(
    questions: Sequence[SourceQuestion], with_answer: bool, answer_type: str, agreement: int, most_images: int
) -> list[KeptQuestion]:
    """Return at most one query per image, in the order of the gallery.

    A question qualifies if its answer is of ``answer_type``, at least ``agreement`` annotators gave that answer, and it
    occurs at no more than ``most_images`` gallery images; of those of an image, the one with the smallest id is used.
    It occurs at an image if the same question (and answer) was asked about it, whatever its type or agreement.
    """
    carried: dict[Hashable, set[int]] = {}
    for asked in questions:
        carried.setdefault(_form(asked, with_answer), set()).add(asked.image)
    kept: dict[int, KeptQuestion] = {}
    for asked in sorted(questions, key=lambda asked: asked.id):
        images = carried[_form(asked, with_answer)]
        sure = asked.type == answer_type and asked.agreement >= agreement
        if sure and len(images) <= most_images and asked.image not in kept:
            text = f"{asked.text} {asked.answer}" if with_answer else asked.text
            kept[asked.image] = KeptQuestion(asked, text, tuple(sorted(images)))
    return [kept[image] for image in sorted(kept)]


def _form(asked: SourceQuestion, with_answer: bool) -> Hashable:
    return normalised(asked.text), normalised(asked.answer) if with_answer else ""

"""Questions as retrieval queries: our reconstruction of a question-based retrieval (docs/tasks.md, "recon").

Queries are human questions about the images of a gallery, alone or followed by their answer. One question an image is
kept, and every image that carries the same query is a positive, so that an exact duplicate is never an error.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SourceQuestion:
    """A question about image ``image`` (row in the gallery).

    id: unique, ordered.   agreement: how many annotators gave ``answer``.   type: of the answer, as the data have it.
    """

    id: int
    image: int
    text: str
    answer: str
    type: str
    agreement: int


@dataclass(frozen=True)
class KeptQuestion:
    """A question that is kept, and the gallery rows of all images that carry it, ascending."""

    asked: SourceQuestion
    text: str
    images: tuple[int, ...]


def normalised(text: str) -> str:
    """Return what two questions must share to be the same: lower case, single spaces, no punctuation at the end.

    >>> normalised("  What  colour is the Bus? ")
    'what colour is the bus'
    """
    return re.sub(r"[\s?.!,;:]+$", "", " ".join(text.lower().split()))


def sampled(
    questions: Sequence[SourceQuestion], with_answer: bool, answer_type: str, agreement: int, most_images: int
) -> list[KeptQuestion]:
    """Return at most one query an image, in the order of the gallery.

    A question may be a query if its answer is of ``answer_type``, at least ``agreement`` annotators gave that answer,
    and no more than ``most_images`` gallery images carry it; of those of an image the one with the smallest id is
    taken. An image carries a query if the same question (and answer) was asked of it, whatever its type or agreement.
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

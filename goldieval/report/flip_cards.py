"""The flipped queries of a task in the form of the page's template: query, right answers, and what A and B answered."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from goldieval.comparison.answers import Answer, Ranking
from goldieval.comparison.flips import Flip
from goldieval.report.numbers import score_text
from goldieval.report.thumbnails import TaskPictures

PICTURES = ("t2i", "i2i")  # directions in which the answers are pictures


def flip_card(flip: Flip, pictures: TaskPictures, strata: list[str]) -> dict[str, Any]:
    """Return a flipped query.

    Args:
        flip: the query.
        pictures: the pictures of its task.
        strata: all groups of the task's queries, by the positions of which the page filters.
    """
    by_picture = flip.direction in PICTURES
    answers = _answers(flip)
    # The right picture of a text is among its answers, and is shown there; any other query is about its picture.
    query = "" if by_picture and answers and flip.text else pictures.address(flip.picture, flip.image)
    return {
        "what": flip.what,
        "direction": flip.direction,
        "sample": flip.sample,
        "image": flip.image or flip.picture,
        "address": query,
        "text": flip.text,
        "a": flip.a,
        "b": flip.b,
        "tags": flip.tags,
        "words": len(flip.text.split()),
        "cut": bool(flip.cut),
        "strata": " ".join(str(strata.index(name)) for name in flip.strata),
        "by_picture": by_picture,
        "answers": [
            {
                **each,
                "address": pictures.address(each["id"], each["content"]) if by_picture and not each["repeats"] else "",
            }
            for each in answers
        ],
    }


def _answers(flip: Flip) -> list[dict[str, Any]]:
    """Return the right answers, and the first one of A and of B; empty where the records do not name them."""
    tops = {name: top for name, top in (("A", flip.top_a), ("B", flip.top_b)) if top is not None}
    right: dict[tuple[str, str], dict[str, Any]] = {}
    for name, top in tops.items():
        entry = right.setdefault((top.right.id, top.right.content), _entry("right", top.right, True))
        entry["scores"] += _score(name, top.right)
    return [*right.values(), *(_first(name, top, len(right) == 1) for name, top in tops.items())]


def _first(name: str, top: Ranking, one_right: bool) -> dict[str, Any]:
    """Return the answer that came first; ``repeats`` if it is the one right answer, which is already shown."""
    entry = _entry(f"first under {name}", top.first, top.is_right)
    shown = bool(top.first.id) or top.first.content == top.right.content  # unlike an answer that some annotators gave
    return entry | {"scores": _score(name, top.first), "repeats": top.is_right and one_right and shown}


def _entry(title: str, answer: Answer, is_right: bool) -> dict[str, Any]:
    return {
        "title": title,
        "id": answer.id,
        "content": answer.content,
        "name": PurePosixPath(answer.content).name or answer.id,
        "is_right": is_right,
        "repeats": False,
        "scores": [],
    }


def _score(name: str, answer: Answer) -> list[str]:
    return [] if answer.score is None else [f"{name} {score_text(answer.score)}"]

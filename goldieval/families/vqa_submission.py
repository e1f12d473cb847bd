"""Files of answers for a benchmark's server."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from goldieval.families.vqa_prepared import VqaPrepared


def submission(prepared: VqaPrepared, given: Sequence[str]) -> dict[str, bytes]:
    """Return the file that the card asks for, by its name; none if it asks for none.

    Answers are written as the card's rule cleans them: ``vqa-submitted`` as LLaVA does it.

    Args:
        prepared: the questions.
        given: one answer per question.
    """
    entry = _ENTRIES.get(prepared.params.submission)
    if entry is None:
        return {}
    answers = [
        {**entry(prepared, row), "answer": prepared.rule.parsed(answer.strip(), prepared.options(row))}
        for row, answer in enumerate(given)
    ]
    return {"answers.json": (json.dumps(answers, ensure_ascii=False) + "\n").encode()}


def _by_question(prepared: VqaPrepared, row: int) -> dict[str, Any]:
    """Return the id of a question, as a number where it is one, as VQA's server expects it."""
    id = prepared.dataset.texts[row].id
    return {"question_id": int(id) if id.isascii() and id.isdecimal() else id}


def _by_picture(prepared: VqaPrepared, row: int) -> dict[str, Any]:
    """Return the name of the picture's file, as VizWiz' server expects it; there is one question about each."""
    image = prepared.dataset.images[int(prepared.owner[row])]
    return {"image": PurePosixPath(image.path or image.id).name}


_ENTRIES: dict[str, Callable[[VqaPrepared, int], dict[str, Any]]] = {"vqav2": _by_question, "vizwiz": _by_picture}

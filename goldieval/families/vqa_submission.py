"""Files of answers for a benchmark's server, which has the true ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.data.samples import Dataset

FILE = "answers.json"
WHOLE_NUMBER = re.compile("[0-9]{1,18}")
PICTURE = ".jpg"


def submission(server: str, dataset: Dataset, answers: Sequence[str]) -> dict[str, bytes]:
    """Return the file for a server by its name; none without a server.

    Args:
        server: ``vqav2``, ``vizwiz``, or empty.
        dataset: the questions.
        answers: one answer per question, in the form in which they are submitted.
    """
    keys = submission_keys(server, dataset)
    if keys is None:
        return {}
    rows = [{**key, "answer": answer} for key, answer in zip(keys, answers, strict=True)]
    return {FILE: (json.dumps(rows, ensure_ascii=False) + "\n").encode()}


def submission_keys(server: str, dataset: Dataset) -> list[dict[str, Any]] | None:
    """Return what names each question to a server; None without a server.

    Raises:
        TaskError: the server would not know the questions by their ids.
    """
    return _KEYS[server](dataset) if server else None


def _by_question(dataset: Dataset) -> list[dict[str, Any]]:
    """Return the ids of the questions, which are whole numbers."""
    ids = [text.id for text in dataset.texts]
    if wrong := [id for id in ids if not WHOLE_NUMBER.fullmatch(id)]:
        raise TaskError(
            f"params.submission: vqav2 knows questions by whole numbers, unlike {listing(wrong)}. Name the column of "
            "their ids in the card's source."
        )
    return [{"question_id": int(id)} for id in ids]


def _by_picture(dataset: Dataset) -> list[dict[str, Any]]:
    """Return the file names of the pictures, about each of which there is one question."""
    assert dataset.owner is not None
    names = [PurePosixPath(dataset.images[row].id).name for row in dataset.owner.tolist()]
    names = [name if PurePosixPath(name).suffix else f"{name}{PICTURE}" for name in names]
    if len(set(names)) < len(names):
        again = sorted({name for name in names if names.count(name) > 1})
        raise TaskError(f"params.submission: vizwiz has one question per picture, unlike {listing(again)}.")
    return [{"image": name} for name in names]


_KEYS: dict[str, Callable[[Dataset], list[dict[str, Any]]]] = {"vqav2": _by_question, "vizwiz": _by_picture}

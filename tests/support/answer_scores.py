"""Scores of yes-or-no questions by the vqa family, in the form in which the benchmarks' own programs print them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from family_cases import pictures

from goldieval.data.samples import Dataset, TextSample
from goldieval.families import vqa
from goldieval.metrics.question_pairs import SUBTASKS
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import VqaCard

POPE = ("accuracy", "precision", "recall", "f1", "yes_rate")
MME = ("perception", "cognition")


def scores(rule: str, asked: Sequence[dict[str, Any]], names: Sequence[str], of_picture: int, strata: Any) -> Any:
    """Return metrics of questions by name.

    Args:
        rule: how answers are judged.
        asked: questions with ``truths``, of one answer, and ``given``.
        names: metrics.
        of_picture: number of questions about each picture.
        strata: groups of questions, by name.
    """
    owner = np.arange(len(asked)) // of_picture
    data = Dataset(
        pictures(int(owner.max()) + 1),
        texts=[TextSample(str(row), f"question {row}?") for row in range(len(asked))],
        owner=owner,
        answers=np.array([question["truths"][0] for question in asked], dtype=object),
        strata=strata,
    )
    card = VqaCard.model_validate(
        {
            "name": "made", "version": 1, "protocol": "made", "title": "Made", "licence": "none", "family": "vqa",
            "source": {"reader": "folder", "path": "."}, "headline": names[0],
            "params": {"rule": rule, "strata": list(strata)},
        }
    )  # fmt: skip
    task = Task(card, Path("card.yaml"))
    found = vqa.FAMILY.score(vqa.FAMILY.prepare(task, data), [question["given"] for question in asked]).metrics
    return {name: found[name].value for name in names}


def of_pope(rule: str, asked: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return POPE's scores of all questions."""
    found: dict[str, float] = scores(rule, asked, POPE, 6, {})
    return found


def of_splits(rule: str, splits: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Return POPE's scores of every split, as ``f1_NAME``, and their means, as ``mean_f1``."""
    asked = [question for split in splits.values() for question in split]
    names = np.repeat(list(splits), [len(split) for split in splits.values()])
    wanted = [f"{score}_{name}" for score in POPE for name in splits] + [f"mean_{score}" for score in POPE]
    found: dict[str, float] = scores(rule, asked, wanted, 6, {name: names == name for name in splits})
    return found


def of_mme(rule: str, asked: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return MME's sums; two questions in a row share a picture, and the subtasks take turns with pictures."""
    subtask = np.array(SUBTASKS)[np.arange(len(asked)) // 2 % len(SUBTASKS)]
    found: dict[str, float] = scores(rule, asked, MME, 2, {name: subtask == name for name in SUBTASKS})
    return found

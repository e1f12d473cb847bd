"""What a model answered to a query: the answer that came first in its ranking, and the best of the right ones."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from goldieval.metrics.query_values import Columns

HALF = 0.5  # an answer that earns at least as much of its credit is called right
COLUMNS = {f"{name}_{part}" for name in ("right", "wrong") for part in ("id", "content", "score")}


@dataclass(frozen=True)
class Answer:
    """An answer to a query.

    Attributes:
        id: id of an image or a text, number of a class, or empty for a generated answer.
        content: path of the image, or the text.
        score: score by the model; None if it has none, such as an answer that is not on a shortlist.
    """

    id: str
    content: str
    score: float | None = None


@dataclass(frozen=True)
class Ranking:
    """The top of a model's ranking of a query.

    Attributes:
        first: the answer that came first. If a right and a wrong one tie, it is the right one; of several wrong ones or
            several right ones that tie, the first in the data.
        is_right: whether it is a right one.
        right: the best of the right answers.
    """

    first: Answer
    is_right: bool
    right: Answer


def ranking(columns: Columns, row: int) -> Ranking | None:
    """Return the top of the ranking of a query; None where the outcomes do not name answers (records before 0.2).

    Args:
        columns: the outcomes of a record.
        row: row of the query.
    """
    if {"given", "answer", "right"} <= set(columns):
        given, true = Answer("", str(columns["given"][row])), Answer("", true_answer(columns, row))
        return Ranking(given, bool(columns["right"][row] >= HALF), true)
    if not set(columns) >= COLUMNS:
        return None
    right = _answer(columns, "right", row)
    is_right = columns["place"][row] == 0 if "place" in columns else columns["rank_low"][row] == 1
    return Ranking(right if is_right else _answer(columns, "wrong", row), bool(is_right), right)


def true_answer(columns: Columns, row: int) -> str:
    """Return the true answer to a question; where several people answered it, their answers with their numbers.

    Args:
        columns: the outcomes of a record of questions.
        row: row of the question.
    """
    if "references" not in columns or columns["references"][row] is None:
        return str(columns["answer"][row])
    counts = Counter(map(str, columns["references"][row])).most_common()
    return ", ".join(f"{answer} ({count})" if count > 1 else answer for answer, count in counts)


def _answer(columns: Columns, name: str, row: int) -> Answer:
    id, content, score = (columns[f"{name}_{part}"][row] for part in ("id", "content", "score"))
    return Answer(str(id), str(content), _finite(score))


def _finite(score: Any) -> float | None:
    """Return a score as a float; None for null, which is read as NaN."""
    return None if score is None or not math.isfinite(score) else float(score)

"""MME's pairs: the two questions that one subtask asks about one picture, one to be answered yes and one no."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "ocr",
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
SUBTASKS = (*PERCEPTION, *COGNITION)
SUMS = {"perception": PERCEPTION, "cognition": COGNITION, "mme_total": SUBTASKS}
HIGHEST = 200.0  # a subtask's accuracy and its accuracy+, in percent


def subtasks_of(types: np.ndarray, known: Mapping[str, np.ndarray | None]) -> np.ndarray:
    """Return the subtask of each question, (questions,): the stratum that it is in, or its type where it is in none.

    Args:
        types: type of each question, (questions,).
        known: rows of the questions of each stratum that is a subtask, (questions of the stratum,); None for none.
    """
    subtasks = types.astype(object)
    for name, rows in known.items():
        if rows is not None:
            subtasks[rows] = name
    return subtasks


def pair_numbers(pictures: np.ndarray, subtasks: np.ndarray) -> np.ndarray:
    """Return the number of each question's pair, (questions,): those of one subtask about one picture.

    Args:
        pictures: picture that each question is about, (questions,).
        subtasks: subtask of each question, (questions,).

    >>> pair_numbers(np.array([7, 7, 7, 7]), np.array(["count", "count", "scene", "scene"])).tolist()
    [0, 0, 1, 1]
    """
    which = [np.unique(column.astype(str), return_inverse=True)[1] for column in (pictures, subtasks)]
    numbers: np.ndarray = np.unique(np.stack(which), axis=1, return_inverse=True)[1].reshape(-1)
    return numbers


def pair_hits(hits: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first question of each pair, the share of its questions that are right, and whether both are.

    Args:
        hits: 0 or 1, (questions,).
        pairs: number of each question's pair, (questions,).

    Returns:
        Three arrays (pairs,).

    Raises:
        ValueError: a pair does not have two questions.
    """
    _, first, which, sizes = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
    if (sizes != 2).any():
        raise ValueError(f"{int((sizes != 2).sum()):,} pictures of a subtask do not have two questions")
    shares = np.bincount(which.reshape(-1), hits) / sizes
    return first, shares, (shares == 1).astype(float)

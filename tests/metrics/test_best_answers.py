"""The best right and the best wrong answer to each query, against sorting by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goldieval.metrics.accuracy import class_counts, joined_counts
from goldieval.metrics.answers import NOBODY, TIE, Answers, BestAnswers
from goldieval.metrics.rank_counter import RankCounter


def first_best(scores: np.ndarray, counting: np.ndarray) -> int:
    """Return the first index of the highest score among those that count; scores on levels, so that ties are exact."""
    allowed = np.where(counting, scores, -np.inf)
    return int(allowed.argmax()) if counting.any() else NOBODY


def check(answers: Answers | None, scores: np.ndarray, relevant: np.ndarray) -> None:
    assert answers is not None
    for query in range(len(scores)):
        for name, counting in (("right", relevant[query]), ("wrong", ~relevant[query])):
            item, score = getattr(answers, name)[query], getattr(answers, f"{name}_score")[query]
            assert item == first_best(scores[query], counting), name
            assert np.isnan(score) if item == NOBODY else score == np.float32(scores[query, item])


@st.composite
def matrices(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    cells = rows * columns
    scores = draw(st.lists(st.integers(-2, 2), min_size=cells, max_size=cells))
    relevant = draw(st.lists(st.booleans(), min_size=cells, max_size=cells).filter(any))
    return np.reshape(scores, (rows, columns)) / 2, np.reshape(relevant, (rows, columns))


@given(matrices(), st.integers(1, 3), st.integers(1, 3), st.randoms())
@settings(max_examples=150, deadline=None)
def test_the_first_of_the_best_is_named_whatever_the_tiles(
    made: tuple[np.ndarray, np.ndarray], rows: int, columns: int, random: object
) -> None:
    scores, relevant = made
    matrix, pairs = torch.tensor(scores, dtype=torch.float32), torch.tensor(np.argwhere(relevant))
    random.shuffle(order := list(range(len(pairs))))  # type: ignore[attr-defined]
    pairs = pairs[order]
    counter = RankCounter(pairs, matrix[pairs[:, 0], pairs[:, 1]], *matrix.shape)
    for top in range(0, len(scores), rows):
        for left in range(0, scores.shape[1], columns):
            counter.update(matrix[top : top + rows, left : left + columns].clone(), top, left)
    t2i, i2t = counter.result()
    check(t2i.answers, scores, relevant)
    check(i2t.answers, scores.T, relevant.T)


def test_the_last_bits_of_a_score_do_not_decide() -> None:
    """Two answers within the tolerance: the first, whichever has the higher bits, in one tile and in two."""
    for second in (0.5 + TIE / 4, 0.5 - TIE / 4):
        row = torch.tensor([[0.1, 0.5, second]])
        together, apart = BestAnswers(1, row.device), BestAnswers(1, row.device)
        together.update(row, slice(0, 1), 0, 1)
        for item in range(3):
            apart.update(row[:, item : item + 1], slice(0, 1), item, 1)
        assert together.items.tolist() == apart.items.tolist() == [1]


def test_many_answers_within_the_tolerance_of_each_other_do_not_drift() -> None:
    """Each of them ties with the next; the one that is named ties with the best."""
    row = 0.1 + torch.arange(40)[None] * (TIE * 0.9)
    best = BestAnswers(1, row.device)
    for item in range(40):
        best.update(row[:, item : item + 1], slice(0, 1), item, 1)
    assert float(row.max()) - float(best.scores[0]) <= TIE * 1.1


@pytest.mark.parametrize("classes", [1, 2, 7])
def test_of_classes_the_wrong_one_is_the_best_of_the_others(classes: int) -> None:
    generator = np.random.default_rng(classes)
    scores = generator.integers(-3, 4, (50, classes)) / 4
    labels = generator.integers(0, classes, 50)
    found = [
        class_counts(torch.tensor(scores[part], dtype=torch.float32), torch.tensor(labels[part]))
        for part in (slice(0, 20), slice(20, 50))
    ]
    together = joined_counts(found).ranks(classes)
    check(together.ranks.answers, scores, np.eye(classes, dtype=bool)[labels])
    some = together.ranks.of(np.array([3, 1]))
    assert some.answers is not None and some.answers.right.tolist() == labels[[3, 1]].tolist()
    wrong = together.places > 0
    assert together.ranks.answers is not None
    assert (together.ranks.answers.wrong[wrong] == together.predictions[wrong]).all()

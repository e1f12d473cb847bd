"""The Jaccard index of associations: by enumeration of all orders, and scikit-learn without ties."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from goldieval.metrics.association import expected_jaccard, jaccard_of_guesses


def index(chosen: set[int], right: set[int]) -> float:
    return len(chosen & right) / len(chosen | right)


@given(st.lists(st.booleans(), min_size=2, max_size=6).filter(any), st.data())
def test_ties_are_the_mean_over_all_orders(right: list[bool], data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=len(right), max_size=len(right)))
    true, k = {row for row, each in enumerate(right) if each}, sum(right)
    orders = [sorted(order, key=lambda row: -scores[row]) for order in permutations(range(len(right)))]
    expected = np.mean([index(set(order[:k]), true) for order in orders])
    assert expected_jaccard(np.array(scores), np.array(right)) == pytest.approx(expected)


def test_without_ties_it_is_datacomps() -> None:
    """As eval_utils/wino_eval.py computes it: the k last of an ascending sort, by scikit-learn's score."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        right = rng.permutation(np.arange(rng.integers(5, 13)) < rng.integers(1, 6))
        scores = rng.normal(size=len(right))
        chosen = np.isin(np.arange(len(right)), np.argsort(scores)[-right.sum() :])
        assert expected_jaccard(scores, right) == pytest.approx(jaccard_score(right, chosen))


@pytest.mark.parametrize(("candidates", "right"), [(5, 2), (6, 3), (10, 4), (12, 5), (3, 3)])
def test_guesses_are_the_mean_over_all_choices(candidates: int, right: int) -> None:
    chosen = [index(set(each), set(range(right))) for each in combinations(range(candidates), right)]
    assert jaccard_of_guesses(candidates, right) == pytest.approx(np.mean(chosen))

"""Macro F1: scikit-learn as the oracle, the bootstrap as that of its interval, and the paired test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from goldieval.metrics.f1 import f1_of_guesses, influence_on_macro_f1, macro_f1, macro_f1_interval, paired_macro_f1

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=30)


def imbalanced(images: int, classes: int, right: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels of a long-tailed set, and predictions of which that share is right."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, classes + 1) ** 1.3
    labels, guesses = rng.choice(classes, (2, images), p=weights / weights.sum())
    return labels, np.where(rng.random(images) < right, labels, guesses)


@given(PAIRS)
def test_score_is_scikit_learns_over_the_classes_that_occur(pairs: list[tuple[int, int]]) -> None:
    """As WILDS calls it; predictions may name classes without an image."""
    labels, predictions = np.array(pairs).T
    expected = f1_score(labels, predictions, average="macro", labels=np.unique(labels), zero_division=0)
    assert macro_f1(labels, predictions) == pytest.approx(expected, abs=1e-12)


def test_a_class_without_images_is_no_part_of_the_mean_but_its_predictions_are_misses() -> None:
    labels = np.array([0, 0, 1, 1])
    assert macro_f1(labels, np.array([0, 0, 1, 1])) == 1
    assert macro_f1(labels, np.array([0, 0, 1, 9])) == pytest.approx((1 + 2 / 3) / 2)


def test_influence_is_the_derivative_by_the_weight_of_an_image() -> None:
    labels, predictions = imbalanced(400, 6, 0.6)
    moved = influence_on_macro_f1(labels, predictions)
    for row in range(0, 400, 41):
        twice = np.append(np.arange(400), row)
        assert macro_f1(labels[twice], predictions[twice]) - macro_f1(labels, predictions) == pytest.approx(
            moved[row], abs=3e-4
        )
    assert moved.sum() == pytest.approx(0, abs=1e-12)


def test_interval_has_the_width_of_the_bootstrap() -> None:
    labels, predictions = imbalanced(3_000, 20, 0.5)
    rng = np.random.default_rng(1)
    draws = [rng.integers(0, 3_000, 3_000) for _ in range(400)]
    spread = np.std([macro_f1(labels[rows], predictions[rows]) for rows in draws])
    found = macro_f1_interval(labels, predictions)
    assert found.low is not None and found.high is not None and found.low < found.value < found.high
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(spread, rel=0.15)
    assert found.n == 3_000 and not found.unreliable


def test_classes_of_one_image_do_not_make_the_interval_narrow() -> None:
    labels = np.arange(40)
    found = macro_f1_interval(labels, np.where(labels % 2, labels, 0))
    assert found.low is not None and found.high is not None and found.high - found.low > 0.2
    assert "beyond the first of their class" in found.unreliable


@pytest.mark.parametrize(("labels", "predictions"), [([0], [0]), ([0], [1]), ([0, 1], [0, 1]), ([0, 0], [1, 1])])
def test_extremes_have_an_interval_of_some_width(labels: list[int], predictions: list[int]) -> None:
    found = macro_f1_interval(np.array(labels), np.array(predictions))
    assert found.low is not None and found.high is not None and 0 <= found.low < found.high <= 1
    assert found.low <= found.value <= found.high


def test_guesses_get_their_expected_score() -> None:
    labels, _ = imbalanced(20_000, 8, 0)
    guesses = np.random.default_rng(2).integers(0, 8, 20_000)
    assert f1_of_guesses(labels, 8) == pytest.approx(macro_f1(labels, guesses), abs=0.01)


def test_a_better_model_is_better_and_two_alike_are_not() -> None:
    labels, a = imbalanced(2_000, 12, 0.5)
    rng = np.random.default_rng(3)
    better = np.where(rng.random(2_000) < 0.2, labels, a)
    found = paired_macro_f1(labels, a, better, 1000)
    assert found.p < 0.01 and found.low is not None and found.low > 0 and found.losses == 0
    assert (found.a, found.b) == (macro_f1(labels, a), macro_f1(labels, better))
    turned = paired_macro_f1(labels, better, a, 1000)
    assert turned.difference == -found.difference and turned.p < 0.01
    same = paired_macro_f1(labels, a, a, 100)
    assert same.difference == 0 and same.p == 1
    exchanged = rng.random(2_000) < 0.5
    other = imbalanced(2_000, 12, 0.5, seed=0)[1][rng.permutation(2_000)]
    alike = paired_macro_f1(labels, np.where(exchanged, a, other), np.where(exchanged, other, a), 1000)
    assert alike.p > 0.05 and alike.low is not None and alike.high is not None and alike.low <= 0 <= alike.high

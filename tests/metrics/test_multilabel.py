"""Mean average precision over classes: scikit-learn, clip-benchmark's rule, and deletion and repetition of images."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from goldieval.metrics.multilabel import (
    _weighted,
    influence_on_precision,
    interval_of_precision,
    mean_average_precision,
    paired_precision,
    precision_of_guesses,
    without_each_image,
)


def world(images: int, classes: int, seed: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shown = rng.random((images, classes)) < 0.3
    shown[0] = True
    scores = rng.normal(size=shown.shape) + shown
    return (scores.round(0) if ties else scores), shown


def brute(scores: np.ndarray, shown: np.ndarray) -> float:
    there = shown.any(axis=0)
    return float(np.mean([average_precision_score(shown[:, c], scores[:, c]) for c in np.flatnonzero(there)]))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 10_000), st.booleans())
def test_it_is_scikit_learns_with_and_without_ties(images: int, classes: int, seed: int, ties: bool) -> None:
    scores, shown = world(images, classes, seed, ties)
    assert mean_average_precision(scores, shown) == pytest.approx(brute(scores, shown), abs=1e-12)


def test_without_ties_it_is_clip_benchmarks() -> None:
    """Sorted by score: cumulated hits by the place, summed at the hits, by their number."""
    scores, shown = world(200, 4, seed=3)
    expected = []
    for each in range(4):
        truth = shown[np.argsort(-scores[:, each]), each]
        precision = np.cumsum(truth) / np.arange(1, 201)
        expected.append(precision[truth].sum() / truth.sum())
    assert mean_average_precision(scores, shown) == pytest.approx(np.mean(expected), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 25), st.integers(0, 10_000), st.booleans())
def test_without_each_image_is_the_score_of_the_others(images: int, seed: int, ties: bool) -> None:
    scores, shown = world(images, 3, seed, ties)
    shown[:2] = True  # so that every class keeps an image
    rest = [np.delete(np.arange(images), row) for row in range(images)]
    expected = [brute(scores[rows], shown[rows]) for rows in rest]
    assert without_each_image(scores, shown) == pytest.approx(expected, abs=1e-12)


def test_a_class_with_one_image_keeps_its_value_without_it() -> None:
    scores, shown = np.array([[3.0], [2.0], [1.0]]), np.array([[False], [True], [False]])
    assert without_each_image(scores, shown).tolist() == [1.0, 0.5, 0.5]
    assert interval_of_precision(scores, shown).unreliable


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10_000), st.booleans())
def test_weights_are_numbers_of_copies(images: int, seed: int, ties: bool) -> None:
    scores, shown = world(images, 3, seed, ties)
    weights = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), 5)
    copies = [np.repeat(np.arange(images), row) for row in weights]
    expected = [brute(scores[rows], shown[rows]) if shown[rows].any() else 0.0 for rows in copies]
    assert _weighted(scores, shown, weights.astype(float)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("images", "of_class"), [(1, 1), (4, 1), (5, 2), (6, 5), (4, 4)])
def test_guesses_are_the_mean_over_all_orders(images: int, of_class: int) -> None:
    shown = np.arange(images) < of_class
    expected = np.mean([average_precision_score(shown, order) for order in permutations(range(images))])
    assert precision_of_guesses(shown[:, None]) == pytest.approx(expected)


def test_the_interval_covers_the_score_of_the_population() -> None:
    scores, shown = world(20_000, 3, seed=1)
    truth, rng, inside = mean_average_precision(scores, shown), np.random.default_rng(2), 0
    for _ in range(200):
        rows = rng.integers(0, len(scores), 150)
        found = interval_of_precision(scores[rows], shown[rows])
        inside += found.low <= truth <= found.high  # type: ignore[operator]
    assert 180 <= inside <= 199


def test_influences_add_up_to_the_variance_of_the_bootstrap() -> None:
    scores, shown = world(400, 5, seed=4)
    variance = float((influence_on_precision(scores, shown) ** 2).sum())
    rng = np.random.default_rng(0)
    weights = rng.multinomial(400, np.full(400, 1 / 400), 1_000).astype(float)
    assert variance == pytest.approx(_weighted(scores, shown, weights).var(), rel=0.2)


def test_a_paired_test_finds_a_difference_and_none_where_there_is_none() -> None:
    scores, shown = world(600, 4, seed=5)
    rng = np.random.default_rng(6)
    better = paired_precision(scores, scores + 0.7 * shown, shown)
    assert better.p < 0.01 and better.low is not None and better.low > 0 and better.gains > better.losses
    assert better.difference == pytest.approx(brute(scores + 0.7 * shown, shown) - brute(scores, shown))
    same = paired_precision(scores, scores.copy(), shown)
    assert (same.difference, same.p) == (0.0, 1.0)
    rejected = 0
    for _ in range(40):
        rows = rng.integers(0, 600, 200)
        noise = rng.normal(size=(2, 200, 4)) * 0.7
        found = paired_precision(scores[rows] + noise[0], scores[rows] + noise[1], shown[rows], resamples=300)
        rejected += found.p < 0.05
    assert rejected <= 6

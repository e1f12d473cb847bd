"""Calibration: brute force over bins, scikit-learn, simulated bias and coverage, and what a classification records."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from goldieval.metrics import calibration
from goldieval.metrics.calibration import (
    bias,
    binned_error,
    equal_mass_bins,
    equal_width_bins,
    error_influence,
    error_interval,
    expected_calibration_error,
    paired_errors,
    reliability,
)
from goldieval.metrics.confidences import columns_of, confidences
from goldieval.metrics.query_values import QueryValues
from goldieval.metrics.registry import metric_of, names_of
from goldieval.scoring import classwise
from goldieval.scoring.classwise import classwise_gaps
from goldieval.tasks.params import ZeroshotParams


def answers(seed: int, count: int, over: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true classes, predicted classes and confidences that are too high by a share."""
    generator = np.random.default_rng(seed)
    confidence = generator.beta(4, 2, count)
    predicted = generator.integers(0, 5, count)
    right = generator.random(count) < confidence * (1 - over)
    return np.where(right, predicted, (predicted + 1) % 5), predicted, confidence


def by_loop(true: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, bins: int) -> float:
    """Return the error as it is defined, bin by bin: (low, high]."""
    error = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        there = (confidence > low) & (confidence <= high)
        if there.any():
            error += there.mean() * abs((true[there] == predicted[there]).mean() - confidence[there].mean())
    return error


@pytest.mark.parametrize("bins", [1, 10, 15])
@pytest.mark.parametrize("count", [1, 30, 3000])
def test_error_equals_its_definition(bins: int, count: int) -> None:
    true, predicted, confidence = answers(count, count)
    assert expected_calibration_error(true, predicted, confidence, bins) == pytest.approx(
        by_loop(true, predicted, confidence, bins)
    )


def test_bins_are_closed_on_the_right() -> None:
    edges = np.array([0.2, np.nextafter(0.2, 1), 1.0, 0.0, 1 / 15, 3 / 15])
    assert equal_width_bins(edges).tolist() == [2, 3, 14, 0, 0, 2]
    exact = np.arange(1, 11) / 10
    assert equal_width_bins(exact, 10).tolist() == list(range(10))


def test_adaptive_bins_hold_equal_numbers_whatever_the_order_and_never_split_ties() -> None:
    _, _, confidence = answers(0, 1000)
    bins = equal_mass_bins(confidence)
    assert set(np.bincount(bins).tolist()) <= {66, 67}
    order = np.random.default_rng(1).permutation(1000)
    assert (equal_mass_bins(confidence[order]) == bins[order]).all()
    assert (np.diff(bins[np.argsort(confidence)]) >= 0).all()
    tied = np.repeat([0.3, 0.9], [10, 90])
    assert len(np.unique(equal_mass_bins(tied)[:10])) == 1 == len(np.unique(equal_mass_bins(tied)[10:]))
    assert equal_mass_bins(np.array([0.5])).tolist() == [0]
    true, predicted, confidence = answers(2, 900)
    by_hand = [np.abs(np.sum(confidence[part] - (true == predicted)[part])) for part in
               np.array_split(np.argsort(confidence), 15)]  # fmt: skip
    assert expected_calibration_error(true, predicted, confidence, equal_mass=True) == pytest.approx(sum(by_hand) / 900)


def test_bias_is_what_a_calibrated_model_shows() -> None:
    errors, expected = [], []
    for seed in range(300):
        true, predicted, confidence = answers(seed, 500, over=0.0)
        gaps, bins = confidence - (true == predicted), equal_width_bins(confidence)
        errors.append(binned_error(gaps, bins))
        # with the expected sums at zero, as they are for a calibrated model
        centred = gaps - (np.bincount(bins, gaps) / np.maximum(np.bincount(bins), 1))[bins]
        expected.append(bias(centred, bins))
    assert np.mean(errors) == pytest.approx(np.mean(expected), rel=0.05)
    true, predicted, confidence = answers(0, 5000, over=0.5)
    assert bias(confidence - (true == predicted), equal_width_bins(confidence)) < 1e-3


@pytest.mark.parametrize(("over", "least"), [(0.0, 0.95), (0.05, 0.95), (0.2, 0.95)])
def test_intervals_cover_the_true_error(over: float, least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "RESAMPLES", 300)
    _, _, many = answers(99, 400_000)
    bins = equal_width_bins(many)
    truth = float(np.abs(np.bincount(bins, over * many)).sum()) / len(many)
    covered = []
    for seed in range(120):
        true, predicted, confidence = answers(seed, 1000, over)
        found = error_interval(confidence - (true == predicted), equal_width_bins(confidence), np.arange(1000))
        assert found.low is not None and found.high is not None and found.low <= found.value <= found.high
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) >= least - 2 * math.sqrt(least * (1 - least) / 120)


def test_influence_adds_up_to_nothing_and_is_the_derivative() -> None:
    true, predicted, confidence = answers(3, 400, 0.3)
    gaps, bins = confidence - (true == predicted), equal_width_bins(confidence)
    moved = error_influence(gaps, bins)
    assert moved.sum() == pytest.approx(0, abs=1e-12)
    without = np.delete(np.arange(400), 7)
    change = binned_error(gaps, bins) - binned_error(gaps[without], bins[without])
    assert moved[7] == pytest.approx(change, rel=0.01)


def test_a_better_calibrated_model_is_found_better_and_an_equal_one_is_not() -> None:
    true, predicted, confidence = answers(5, 1000, 0.3)
    gaps = confidence - (true == predicted)
    calmer = 0.7 * confidence
    sides = [(gaps, equal_width_bins(confidence)), (calmer - (true == predicted), equal_width_bins(calmer))]
    found = paired_errors(sides[0], sides[1], np.arange(1000))
    assert found.a == pytest.approx(binned_error(*sides[0])) and found.b == pytest.approx(binned_error(*sides[1]))
    assert found.difference < -0.1 and found.p < 0.001
    same = paired_errors(sides[0], sides[0], np.arange(1000))
    assert same.difference == 0 and same.p > 0.9


def test_bins_of_the_figure_add_up_to_the_error() -> None:
    true, predicted, confidence = answers(6, 800, 0.2)
    bins = reliability((true == predicted).astype(float), confidence)
    assert sum(each.predictions for each in bins) == 800 and len(bins) == 15 and bins[0].low == 0 and bins[-1].high == 1
    total = sum(each.predictions * abs(each.accuracy - each.confidence) for each in bins)
    assert total / 800 == pytest.approx(expected_calibration_error(true, predicted, confidence))


def scores(rows: int, classes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(rows, classes, generator=generator) * 0.3, torch.randint(0, classes, (rows,), generator=generator)


@pytest.mark.parametrize("factor", [1.0, 14.3, 100.0])
def test_likelihood_and_brier_equal_scikit_learn_and_their_definition(factor: float) -> None:
    cosines, labels = scores(200, 7)
    columns = columns_of(confidences(cosines, labels, factor))
    shares = torch.softmax(factor * cosines.double(), dim=1).numpy()
    truth = np.eye(7)[labels.numpy()]
    assert columns["nll"].mean() == pytest.approx(log_loss(labels, shares, labels=np.arange(7)), rel=1e-5)
    np.testing.assert_allclose(columns["brier"], ((shares - truth) ** 2).sum(1), atol=1e-5)
    np.testing.assert_allclose(columns["confidence"], shares.max(1), rtol=1e-5)
    assert all(column.dtype == np.float32 for column in columns.values())
    assert columns_of(confidences(cosines, labels, None)) == {}


def test_improbable_classes_have_a_finite_likelihood() -> None:
    columns = columns_of(confidences(torch.tensor([[1.0, -1.0]]), torch.tensor([1]), 100.0))
    assert columns["nll"].tolist() == [200.0] and columns["brier"].tolist() == [2.0]


@pytest.mark.parametrize("factor", [3.0, 30.0])
@pytest.mark.parametrize("entries", [20, 4_000_000])
def test_classwise_gaps_average_to_the_error_by_loops(
    factor: float, entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cosines, labels = scores(150, 9, 2)
    monkeypatch.setattr(classwise, "ENTRIES", entries)
    found = classwise_gaps(cosines, labels, 9, factor)
    shares = torch.softmax(factor * cosines, dim=1).double().numpy()
    error = 0.0
    for label in range(9):
        for number in range(15):
            there = (shares[:, label] > number / 15) & (shares[:, label] <= (number + 1) / 15)
            error += abs((shares[there, label] - (labels.numpy()[there] == label)).sum()) / 150 / 9
    assert found.shape == (150,) and found.mean() == pytest.approx(error, abs=1e-9)


def columns(count: int = 300) -> dict[str, Any]:
    cosines, labels = scores(count, 6, 4)
    found = confidences(cosines, labels, 20.0)
    places = (cosines > cosines.gather(1, labels[:, None])).sum(1).numpy()
    ids = np.array([f"s{row}" for row in range(count)])
    own = columns_of(found) | {"classwise_gap": classwise_gaps(cosines, labels, 6, 20.0)}
    return {"place": places, "sample_id": ids, "cluster_id": ids, **own}


NAMES = ("ece", "ece_adaptive", "ece_classwise", "nll", "brier")


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_absent_without_its_column_and_survives_another_order(name: str) -> None:
    metric, outcomes = metric_of(name), columns()
    assert metric.lower_is_better and not metric.in_summary and not metric.has_ceiling("acc1")
    values = metric.values(outcomes)
    assert values is not None
    interval = metric.interval(values)
    assert interval.value == pytest.approx(metric.score(values)) and interval.low is not None
    assert interval.low <= interval.value and interval.high is not None and interval.value <= interval.high
    order = np.random.default_rng(0).permutation(300)
    assert metric.score(values.ordered(order)) == pytest.approx(metric.score(values))
    paired = metric.paired(values, values.ordered(np.arange(300)))
    assert paired.difference == 0 and paired.p > 0.9
    assert abs(metric.influence(values)).max() < 1
    bare = {key: column for key, column in outcomes.items() if key in ("place", "sample_id", "cluster_id")}
    assert metric.values(bare) is None


def test_reordering_keeps_bins_with_their_queries() -> None:
    ids = np.array(["a", "b", "c"])
    values = QueryValues(ids, np.array([1.0, 2, 3]), ids, np.arange(3), strata=np.array([7, 8, 9]))
    assert values.ordered(np.array([2, 0, 1])).strata is not None
    assert values.ordered(np.array([2, 0, 1])).strata.tolist() == [9, 7, 8]  # type: ignore[union-attr]


def test_one_image_has_no_interval_and_no_infinite_end() -> None:
    metric = metric_of("nll")
    values = metric.values(columns(1))
    assert values is not None
    found = metric.interval(values)
    assert found.low is None and found.high is None and found.unreliable


def test_zero_shot_cards_have_them_after_accuracy() -> None:
    names = names_of("zeroshot", ZeroshotParams(prompts=["{c}"]))
    assert [name for name in names if name in NAMES] == list(NAMES) and names[0] == "acc1"

"""Accuracy of boxes as a mean over classes: by hand, its interval and its paired test."""

from __future__ import annotations

import numpy as np
import pytest

from goldieval.metrics.clustered_classes import class_weights, clustered_mean_of_classes
from goldieval.metrics.clustered_intervals import clustered_mean_of_groups
from goldieval.metrics.query_values import QueryValues
from goldieval.metrics.registry import metric_of

METRIC = metric_of("mean_class_accuracy")


def drawn(seed: int, samples: int = 400, classes: int = 6, clusters: int = 90) -> tuple[np.ndarray, ...]:
    draw = np.random.default_rng(seed)
    labels, groups = draw.integers(0, classes, samples) ** 2, draw.integers(0, clusters, samples)
    return draw.integers(0, 2, samples).astype(float), labels, groups


def test_by_hand() -> None:
    columns = {
        "sample_id": np.array(["a", "b", "c", "d"], dtype=object),
        "cluster_id": np.array(["i", "i", "j", "j"], dtype=object),
        "label": np.array([0, 0, 0, 7]),
        "rank_low": np.array([1, 1, 2, 3]),
        "rank_high": np.array([1, 2, 2, 3]),
        "stratum:rare": np.array([False, True, True, True]),
    }
    values = METRIC.values(columns)
    assert values is not None and METRIC.score(values) == pytest.approx((1.5 / 3 + 0) / 2)
    assert METRIC.interval(values).value == pytest.approx(0.25)
    rare = metric_of("mean_class_accuracy_rare")
    assert rare.label == "accuracy, mean of classes rare"
    found = rare.values(columns)
    assert found is not None and rare.score(found) == pytest.approx((0.5 / 2 + 0) / 2)
    assert metric_of("mean_class_accuracy_absent").values(columns) is None


def test_the_interval_is_that_of_the_dense_jackknife() -> None:
    """The same leave-one-cluster-out means from an array of all clusters and classes, where several show each class."""
    hits, labels, groups = drawn(0)
    ours, dense = clustered_mean_of_classes(hits, labels, groups), clustered_mean_of_groups(hits, labels, groups)
    for end in ("value", "low", "high", "n", "clusters"):
        assert getattr(ours, end) == pytest.approx(getattr(dense, end), abs=1e-12)


def test_a_class_of_one_cluster_widens_the_interval() -> None:
    hits, labels, groups = drawn(1)
    once = labels.copy()
    once[:3] = [101, 102, 103]
    wide, narrow = (clustered_mean_of_classes(hits, each, groups) for each in (once, labels))
    assert wide.high - wide.low > narrow.high - narrow.low


def test_memory_does_not_grow_with_clusters_times_classes() -> None:
    draw = np.random.default_rng(2)
    labels, groups = draw.integers(0, 1203, 240_000), draw.integers(0, 19_000, 240_000)
    found = clustered_mean_of_classes(draw.integers(0, 2, 240_000).astype(float), labels, groups)
    assert found.clusters == 19_000 and found.low < 0.5 < found.high and found.high - found.low < 0.02


def test_the_paired_test_compares_means_over_classes() -> None:
    hits, labels, groups = drawn(3)
    better = np.where(labels == labels.max(), 1.0, hits)
    sides = [QueryValues(np.arange(400), each, groups, np.arange(400), strata=labels) for each in (hits, better)]
    found = METRIC.paired(*sides)
    assert found.difference == pytest.approx(METRIC.score(sides[1]) - METRIC.score(sides[0])) and found.p < 0.05
    assert class_weights(labels).mean() == pytest.approx(1.0)
    assert METRIC.influence(sides[0]).sum() == pytest.approx(0.0, abs=1e-12)
    shuffled = np.random.default_rng(0).permutation(400)
    assert METRIC.score(sides[0].ordered(shuffled)) == pytest.approx(METRIC.score(sides[0]))


def test_a_difference_stays_possible_and_has_a_width() -> None:
    """One model misses every box and the other names nearly all, or all of them."""
    hits, labels, groups = drawn(4)
    for right in (np.where(np.arange(400) % 40 == 0, 0.0, 1.0), np.ones(400)):
        sides = [QueryValues(np.arange(400), each, groups, np.arange(400), strata=labels) for each in (0 * hits, right)]
        found = METRIC.paired(*sides)
        assert found.low is not None and found.high is not None
        assert found.low < found.difference <= found.high <= 1.0

"""Intervals: against closed forms, against simulation, and never of width 0 for want of variety."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score

from goldieval.metrics.accuracy import mean_per_class as plain_mean_per_class
from goldieval.metrics.clustered_intervals import clustered_means, clustered_median
from goldieval.metrics.intervals import Z95, Interval, mean_per_class, share, wilson
from goldieval.metrics.ranks import Ranks

SHARE = (0.0, 1.0)


def sound(interval: Interval, ends: tuple[float, float] = SHARE) -> bool:
    """The value lies inside, the interval inside what is possible, and it has a width."""
    inside = ends[0] <= interval.low <= interval.value <= interval.high <= ends[1]
    return inside and interval.high - interval.low > 1e-6 and interval.minimum_detectable_difference > 0


@given(st.integers(1, 3000), st.floats(0, 1))
def test_wilson_agrees_with_scipy(n: int, part: float) -> None:
    hits = round(n * part)
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_covers_its_share_also_at_0_and_1() -> None:
    for n in range(1, 300):
        assert wilson(0, n)[0] == 0 and wilson(n, n)[1] == 1
        assert sound(share(np.zeros(n))) and sound(share(np.ones(n)))


def test_clustered_means_have_the_width_of_the_normal_approximation() -> None:
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 8, 800)
    clusters = np.repeat(np.arange(800), sizes)
    hits = (generator.random(sizes.sum()) < np.repeat(generator.beta(0.6, 0.6, 800), sizes)).astype(float)
    ranks = 1 + 9 * (1 - hits)
    left_over = np.bincount(clusters, hits - hits.mean())
    half = Z95 * np.sqrt((left_over**2).sum()) / len(hits)
    independent = Z95 * hits.std() / np.sqrt(len(hits))
    assert half > 1.3 * independent
    by_share, by_rank = clustered_means(np.stack([hits, ranks], axis=1), clusters, [SHARE, (1.0, 10.0)])
    assert (by_share.high - by_share.low) / 2 == pytest.approx(half, rel=0.08)
    assert (by_rank.high - by_rank.low) / 2 == pytest.approx(9 * half, rel=0.08)
    assert (by_share.n, by_share.clusters, by_share.method) == (len(hits), 800, "jackknife of clusters")
    assert by_share.value == pytest.approx(hits.mean())


def test_clusters_may_carry_any_numbers_in_any_order() -> None:
    hits = np.array([1.0, 0, 0, 1, 1, 0, 1, 0])[:, None]
    (one,) = clustered_means(hits, np.array([0, 0, 1, 1, 2, 2, 3, 3]), [SHARE])
    (two,) = clustered_means(hits, np.array([10, 10, 25, 25, 31, 31, 77, 77]), [SHARE])
    assert one == two and one.clusters == 4


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("clusters", [1, 20, 5000])
def test_equal_outcomes_get_the_bound_that_the_number_of_clusters_allows(value: float, clusters: int) -> None:
    which = np.repeat(np.arange(clusters), 5)
    (interval,) = clustered_means(np.full((5 * clusters, 1), value), which, [SHARE])
    room = binomtest(0, clusters).proportion_ci(method="wilson").high
    assert sound(interval) and interval.high - interval.low == pytest.approx(room)
    assert (interval.n, interval.clusters) == (5 * clusters, clusters)


@pytest.mark.parametrize("rank", [1.0, 40.0, 1000.0])
def test_equal_ranks_never_get_width_0(rank: float) -> None:
    ranks, clusters, ends = np.full(300, rank), np.arange(300), (1.0, 1000.0)
    (mean,) = clustered_means(ranks[:, None], clusters, [ends])
    assert sound(mean, ends) and sound(clustered_median(ranks, clusters, ends), ends)


def test_outcomes_that_are_equal_but_for_rounding_never_get_width_0() -> None:
    ties = np.arange(1, 60)
    halves = Ranks(np.zeros_like(ties), ties, ties, ties, gallery=1000).hits(1)
    assert halves == pytest.approx(0.5)
    assert sound(clustered_means(halves[:, None], ties, [SHARE])[0])


def test_clusters_that_all_have_the_same_mean_never_get_width_0() -> None:
    """One caption of each image is always found and the other never, as with one short and one long caption."""
    outcomes = np.tile([1.0, 0.0], 50)[:, None]
    assert sound(clustered_means(outcomes, np.repeat(np.arange(50), 2), [SHARE])[0])


def test_a_model_that_always_names_one_class_never_gets_width_0() -> None:
    labels = np.repeat(np.arange(4), 10)
    assert sound(mean_per_class((labels == 0).astype(float), labels))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_mean_per_class_has_a_width_where_all_or_none_hit(value: float) -> None:
    assert sound(mean_per_class(np.full(30, value), np.arange(30) % 3))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), min_size=2, max_size=40),
)
@settings(max_examples=25, deadline=None)
def test_every_interval_contains_its_value(rows: list[tuple[int, int, int]]) -> None:
    hits, clusters, labels = np.array(rows, dtype=float).T
    hits /= 3
    found = [
        *clustered_means(hits[:, None], clusters, [SHARE]),
        clustered_median(1 + hits, clusters, (1.0, 9.0)),
        mean_per_class(hits, labels),
        share(hits),
    ]
    assert all(interval.low <= interval.value <= interval.high for interval in found)


@pytest.mark.parametrize("probability", [0.3, 0.7])
def test_about_95_of_100_intervals_cover_the_truth(probability: float) -> None:
    samples = (np.random.default_rng(5).random((500, 200)) < probability).astype(float)
    bootstrap = clustered_means(samples, np.arange(500), [SHARE] * 200)
    for intervals in (bootstrap, [share(column) for column in samples.T]):
        covered = np.mean([interval.low <= probability <= interval.high for interval in intervals])
        assert 0.90 <= covered <= 0.99


def test_the_median_interval_covers_the_truth_and_is_not_the_whole_range() -> None:
    generator = np.random.default_rng(2)
    samples = generator.exponential(size=(40, 200))
    found = [clustered_median(sample, np.arange(200), (0.0, 50.0)) for sample in samples]
    covered = np.mean([interval.low <= np.log(2) <= interval.high for interval in found])
    assert covered >= 0.85 and np.mean([interval.high - interval.low for interval in found]) < 0.5
    assert [interval.value for interval in found] == [np.median(sample) for sample in samples]


def test_the_minimum_detectable_difference_is_the_textbook_difference_at_80_percent_power() -> None:
    interval = Interval(0.5, 0.5 - 1.959964 * 0.01, 0.5 + 1.959964 * 0.01, 100, 100, "")
    assert interval.minimum_detectable_difference == pytest.approx((1.959964 + 0.841621) * np.sqrt(2) * 0.01)


def test_the_same_outcomes_give_the_same_interval() -> None:
    hits, clusters = np.random.default_rng(0).random((50, 1)), np.arange(50) // 2
    assert clustered_means(hits, clusters, [SHARE]) == clustered_means(hits, clusters, [SHARE])
    assert mean_per_class(hits[:, 0], clusters) == mean_per_class(hits[:, 0], clusters)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
@settings(deadline=None)
def test_mean_per_class_is_balanced_accuracy(rows: list[tuple[int, int]]) -> None:
    labels, predictions = np.array(rows).T
    assume(len(set(labels)) > 1)
    predictions = np.where(np.isin(predictions, labels), predictions, labels[0])
    expected = balanced_accuracy_score(labels, predictions)
    hits = (labels == predictions).astype(float)
    assert plain_mean_per_class(hits, labels) == pytest.approx(expected)
    assert mean_per_class(hits, labels).value == pytest.approx(expected)


def test_mean_per_class_is_as_wide_as_its_classes_are_small() -> None:
    """Standard error by hand: each class a binomial of its own."""
    labels = np.repeat(np.arange(3), [40, 100, 400])
    hits = np.concatenate([np.arange(size) < size * part for size, part in ((40, 0.5), (100, 0.8), (400, 0.1))])
    interval = mean_per_class(hits.astype(float), labels)
    error = np.sqrt(0.25 / 40 + 0.16 / 100 + 0.09 / 400) / 3
    assert (interval.high - interval.low) / 2 == pytest.approx(Z95 * error, rel=0.08)

"""The worst group: by hand, by brute force, and the coverage of its interval by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldieval.metrics.worst_group import (
    expected_bias,
    influence_of_worst_group,
    paired_worst_group,
    worst_group,
    worst_group_interval,
)

IMAGES = st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=40)


def grouped(shares: list[float], sizes: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Hits and groups of a sample with these true shares."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    return (rng.random(len(groups)) < np.array(shares)[groups]).astype(float), groups


@given(IMAGES)
def test_score_is_the_lowest_mean_of_a_group(images: list[tuple[bool, int]]) -> None:
    hits, groups = np.array([hit for hit, _ in images]) * 1.0, np.array([group for _, group in images])
    brute = min(float(np.mean([hit for hit, other in images if other == group])) for group in set(groups.tolist()))
    found = worst_group_interval(hits, groups)
    assert worst_group(hits, groups) == found.value == pytest.approx(brute)
    assert found.low is not None and found.high is not None and 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_a_group_of_a_few_images_that_decides_is_said() -> None:
    hits, groups = grouped([0.5, 0.0], [900, 4])
    found = worst_group_interval(hits, groups)
    assert found.value == 0 and found.unreliable == "fewer than 10 images in the group that decides"
    assert found.high is not None and found.high > 0.3, "four misses do not show that a region is hopeless"
    assert not worst_group_interval(*grouped([0.2, 0.9], [900, 20])).unreliable


@pytest.mark.parametrize(
    ("shares", "sizes"),
    [
        ([0.2] * 6, [600, 500, 300, 800, 100, 50]),
        ([0.5, 0.6, 0.7, 0.8], [200] * 4),
        ([0.86] + [0.9] * 5, [400] * 6),
        ([0.3] * 4, [20, 30, 40, 50]),
    ],
)
def test_the_interval_holds_the_lowest_true_share(shares: list[float], sizes: list[int]) -> None:
    """Percentiles of a bootstrap hold it in 16 % to 95 % of samples of this kind."""
    found = [worst_group_interval(*grouped(shares, sizes, seed)) for seed in range(200)]
    held = [each.low is not None and each.high is not None and each.low <= min(shares) <= each.high for each in found]
    assert np.mean(held) > 0.91


def test_bias_is_seen_where_groups_are_alike_and_small() -> None:
    assert expected_bias(*grouped([0.5] * 6, [40] * 6)) > 0.01
    assert expected_bias(*grouped([0.2, 0.9], [2_000] * 2)) < 0.001


def test_only_the_lowest_group_moves_the_score() -> None:
    hits, groups = grouped([0.3, 0.8], [50, 70])
    moved = influence_of_worst_group(hits, groups)
    assert not moved[groups == 1].any() and moved.sum() == pytest.approx(0)
    share = hits[groups == 0].mean()
    assert (moved**2).sum() == pytest.approx(share * (1 - share) / 49)


def test_models_whose_worst_groups_differ_are_compared_by_their_own() -> None:
    groups = np.repeat([0, 1], 200)
    a, b = np.tile(np.arange(200) < 60, 2) * 1.0, np.tile(np.arange(200) < 100, 2) * 1.0
    a[groups == 1] = np.arange(200) < 150
    b[groups == 0] = np.arange(200) < 180
    found = paired_worst_group(a, b, groups)
    assert (found.a, found.b, found.n) == (0.3, 0.5, 400)
    assert found.p < 0.01 and found.low is not None and found.high is not None and 0 < found.low < 0.2 < found.high
    assert paired_worst_group(b, a, groups).difference == pytest.approx(-0.2)


def test_two_models_alike_differ_significantly_in_five_percent_of_samples() -> None:
    rejected = []
    for seed in range(150):
        hits, groups = grouped([0.4, 0.45, 0.5], [60, 80, 100], seed)
        other, _ = grouped([0.4, 0.45, 0.5], [60, 80, 100], 10_000 + seed)
        rejected.append(paired_worst_group(hits, other, groups, resamples=400).p < 0.05)
    assert np.mean(rejected) < 0.1

"""Scores of several heads on the same images: by hand where a score is a mean, and against a simulation of mean IoU."""

from __future__ import annotations

import numpy as np
import pytest

from goldieval.metrics.crossed import crossed_spread
from goldieval.metrics.crossed_sums import (
    ONE_SEED,
    crossed_interval,
    paired_crossed_sums,
    scores_of,
    scores_without,
    sources,
)
from goldieval.metrics.miou import interval_of_sums, mean_iou_of_sums
from goldieval.metrics.registry import metric_of, names_of
from goldieval.tasks.dense_probe_params import DenseProbeParams


def mean_of_sums(sums: np.ndarray) -> np.ndarray:
    """The mean of outcomes whose sum and number are the two columns."""
    return sums[:, 0] / sums[:, 1]


def as_sums(values: np.ndarray) -> np.ndarray:
    """Outcomes (images, seeds) as sums and numbers, (images, seeds, 2)."""
    return np.stack([values, np.ones_like(values)], axis=-1)


def maps(
    images: int, seeds: int, rng: np.random.Generator, skill: float = 0.6, by_seed: float = 0.0, classes: int = 4
) -> np.ndarray:
    """Intersections and unions of random predictions, (images, seeds, 2 x classes)."""
    labelled = rng.integers(50, 150, (images, 1, classes))
    hardness = rng.normal(0, 0.1, (images, 1, 1))
    luck = rng.normal(0, by_seed, (1, seeds, 1))
    share = np.clip(skill + hardness + luck + rng.normal(0, 0.03, (images, seeds, classes)), 0.05, 0.95)
    inside = rng.binomial(labelled, share)
    return np.concatenate([inside, np.broadcast_to(labelled, inside.shape) + 20], axis=-1)


def test_the_variance_of_a_mean_is_that_of_the_two_way_model() -> None:
    values = np.random.default_rng(0).normal(size=(12, 4)) + np.arange(4) * 0.3
    areas = as_sums(values)
    found = sources(scores_of(mean_of_sums, areas), scores_without(mean_of_sums, areas))
    assert found.spread.variance == pytest.approx(crossed_spread(values).variance, rel=1e-9)
    assert found.of_images == pytest.approx(values.mean(axis=1).var(ddof=1) / 12, rel=1e-9)
    assert found.of_seeds == pytest.approx(values.mean(axis=0).var(ddof=1) / 4, rel=1e-9)


def test_heads_that_agree_leave_the_variance_of_images() -> None:
    one = maps(30, 1, np.random.default_rng(1))
    found = crossed_interval(mean_iou_of_sums, np.repeat(one, 3, axis=1))
    alone = interval_of_sums(mean_iou_of_sums, one[:, 0])
    assert (found.value, found.low, found.high) == pytest.approx((alone.value, alone.low, alone.high))
    assert found.seed_error == 0.0
    assert found.seed_scores == pytest.approx([alone.value] * 3)
    assert (found.method, found.unreliable) == ("jackknife of images, with the variance between 3 seeds", "")


def test_heads_that_disagree_widen_the_interval_by_few_degrees_of_freedom() -> None:
    areas = maps(200, 3, np.random.default_rng(2), by_seed=0.08)
    found = crossed_interval(mean_iou_of_sums, areas)
    assert found.seed_error is not None and found.sample_error is not None
    assert found.seed_error > 2 * found.sample_error
    assert found.low is not None and found.high is not None
    assert found.high - found.low > 2 * 3.5 * found.seed_error  # Student's quantile of 2 degrees of freedom is 4.3


def test_one_seed_says_so() -> None:
    found = crossed_interval(mean_iou_of_sums, maps(30, 1, np.random.default_rng(3)))
    assert (found.unreliable, found.seed_error) == (ONE_SEED, None)


@pytest.mark.slow
def test_the_interval_covers_the_score_of_all_images_and_seeds() -> None:
    rng = np.random.default_rng(4)
    truth = float(scores_of(mean_iou_of_sums, maps(2000, 200, rng, by_seed=0.03)).mean())
    hits = 0
    for _ in range(200):
        found = crossed_interval(mean_iou_of_sums, maps(40, 4, rng, by_seed=0.03))
        assert found.low is not None and found.high is not None
        hits += found.low <= truth <= found.high
    assert hits >= 183  # 0.95 of 200 is 190, with a standard deviation of 3.1


def test_a_better_model_is_told_from_a_worse_one_and_equal_ones_are_not() -> None:
    rng = np.random.default_rng(5)
    a = maps(60, 3, rng)
    better = np.minimum(a + np.array([8] * 4 + [0] * 4), np.concatenate([a[..., 4:] - 20, a[..., 4:]], axis=-1))
    found = paired_crossed_sums(a, better, mean_iou_of_sums)
    assert found.p < 0.01 and found.low is not None and found.low > 0
    same = paired_crossed_sums(a, a, mean_iou_of_sums)
    assert (same.difference, same.p) == (0.0, 1.0)


def test_a_difference_that_only_one_seed_shows_is_not_significant() -> None:
    """A bootstrap of images alone would be sure of it."""
    a = np.repeat(maps(100, 1, np.random.default_rng(6)), 3, axis=1)
    b = a.copy()
    b[:, 0, :4] = np.maximum(b[:, 0, :4] - 30, 0)
    found = paired_crossed_sums(a, b, mean_iou_of_sums)
    assert found.difference < -0.05 and found.p > 0.2
    assert found.high == 0.0 or (found.high is not None and found.high > 0)


@pytest.mark.slow
def test_p_values_of_equal_models_are_not_too_small() -> None:
    rng = np.random.default_rng(7)
    rejected = 0
    for _ in range(60):
        a, b = maps(30, 3, rng, by_seed=0.03), maps(30, 3, rng, by_seed=0.03)
        rejected += paired_crossed_sums(a, b, mean_iou_of_sums, resamples=400).p < 0.05
    assert rejected <= 8  # 3 are expected


def test_metrics_of_a_dense_probe_take_every_head_from_the_outcomes() -> None:
    areas = maps(20, 2, np.random.default_rng(8))
    ids = np.array([f"i{row}" for row in range(20)], dtype=object)

    def column(values: np.ndarray) -> np.ndarray:
        found = np.empty(len(values), dtype=object)
        found[:] = values.tolist()
        return found

    columns = {"sample_id": ids, "cluster_id": ids}
    for seed, end in enumerate(["", "_1"]):
        columns |= {
            f"intersection{end}": column(areas[:, seed, :4]),
            f"union{end}": column(areas[:, seed, 4:]),
            f"labelled{end}": column(areas[:, seed, 4:] - 20),
        }
    for name in ("miou", "macc", "aacc"):
        metric = metric_of(name)
        values = metric.values(columns)
        assert values is not None and values.repeats is not None and values.repeats.shape == (20, 2, 8)
        assert metric.score(values) == pytest.approx(metric.interval(values).value)
        assert len(metric.interval(values).seed_scores) == 2
    miou = metric_of("miou")
    values = miou.values(columns)
    assert values is not None
    assert miou.score(values) == pytest.approx(float(scores_of(mean_iou_of_sums, areas).mean()))
    found = float((miou.influence(values) ** 2).sum()) ** 0.5
    assert found == pytest.approx(miou.interval(values).sample_error, rel=0.1)
    assert miou.paired(values, values).p == 1.0


def test_a_dense_probe_of_depth_has_no_scores_of_classes() -> None:
    assert names_of("dense-probe", DenseProbeParams()) == ["miou", "macc", "aacc"]
    assert not {"miou", "macc", "aacc"} & set(names_of("dense-probe", DenseProbeParams(target="depth")))

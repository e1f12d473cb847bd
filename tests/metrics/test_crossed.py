"""Means over images and training samples: coverage, and that the parts of the variance are what they should be."""

from __future__ import annotations

import numpy as np
import pytest

from goldieval.metrics import crossed
from goldieval.metrics.crossed import crossed_share, crossed_spread, paired_crossed
from goldieval.metrics.intervals import share
from goldieval.metrics.registry import metric_of


def drawn(seed: int, images: int, samples: int, of_images: float, of_samples: float) -> np.ndarray:
    """Return hits of a crossed logistic model whose mean share is about a half."""
    generator = np.random.default_rng(seed)
    logits = of_images * generator.normal(size=(images, 1)) + of_samples * generator.normal(size=(1, samples))
    return (generator.random((images, samples)) < 1 / (1 + np.exp(-logits))).astype(float)


def test_variance_equals_that_of_balanced_analysis() -> None:
    values = drawn(0, 40, 6, 1.0, 0.5)
    n, s = values.shape
    rows, columns, mean = values.mean(1), values.mean(0), values.mean()
    rest = ((values - rows[:, None] - columns + mean) ** 2).sum() / ((n - 1) * (s - 1))
    of_rows = s * ((rows - mean) ** 2).sum() / (n - 1)
    of_columns = n * ((columns - mean) ** 2).sum() / (s - 1)
    assert crossed_spread(values).variance == pytest.approx((of_rows + of_columns - rest) / (n * s))


def test_one_sample_is_the_usual_interval_of_images() -> None:
    hits = drawn(1, 200, 1, 1.0, 0.0)
    found, usual = crossed_share(hits), share(hits[:, 0])
    assert found.low == pytest.approx(usual.low, abs=2e-3) and found.high == pytest.approx(usual.high, abs=2e-3)
    assert "one training sample" in found.unreliable


@pytest.mark.parametrize(("of_images", "of_samples"), [(1.5, 0.0), (1.0, 0.3), (0.5, 0.6)])
def test_intervals_cover_where_samples_differ(of_images: float, of_samples: float) -> None:
    found = [crossed_share(drawn(seed, 150, 5, of_images, of_samples)) for seed in range(400)]
    covered = np.mean([each.low <= 0.5 <= each.high for each in found if each.low is not None and each.high])
    assert covered > 0.92, covered


def test_equal_models_are_rarely_called_different(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossed, "RESAMPLES", 500)
    ps = [
        paired_crossed(drawn(2 * seed, 100, 5, 1.0, 0.3), drawn(2 * seed + 1, 100, 5, 1.0, 0.3)).p for seed in range(60)
    ]
    assert np.mean(np.array(ps) < 0.05) < 0.15
    a = drawn(0, 300, 5, 1.0, 0.3)
    better = np.maximum(a, drawn(7, 300, 5, 0.0, 0.0))
    found = paired_crossed(a, better)
    assert found.p < 0.01 and found.low is not None and found.low > 0
    assert found.difference == pytest.approx(better.mean() - a.mean()) and found.minimum_detectable_difference() > 0


def test_queries_in_another_order_keep_their_repetitions() -> None:
    hits = drawn(3, 30, 3, 1.0, 0.3)
    columns = {f"place_2shot_{seed}": np.where(hits[:, seed] > 0, 0, 4) for seed in range(3)}
    columns |= {"sample_id": np.array([f"s{n}" for n in range(30)]), "cluster_id": np.arange(30)}
    metric = metric_of("acc1_2shot")
    values = metric.values(columns)
    assert values is not None
    order = np.random.default_rng(0).permutation(30)
    moved = values.ordered(order)
    assert moved.repeats is not None and (moved.repeats == hits[order]).all()
    found, expected = metric.interval(moved), metric.interval(values)
    assert (found.low, found.value, found.high) == pytest.approx(
        (expected.low, expected.value, expected.high), abs=1e-12
    )
    assert metric.label == "top-1, 2 per class" and metric_of("acc5_knn10").label == "top-5, 10 neighbours"

"""Quick versions of the simulations in ``benchmarks``: coverage, false positives, power; wide Monte Carlo margins."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from goldieval.metrics import miou
from goldieval.metrics.intervals import mean_per_class, share

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import compare_errors
import interval_coverage
import segmentation_worlds

pytestmark = pytest.mark.slow


def test_equal_models_are_rarely_called_different_after_holm() -> None:
    _, family = compare_errors.false_positives(40, 2)
    assert family <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 40)


@pytest.mark.parametrize(
    ("test", "comparisons"), [("exact McNemar, 1,000 images", 100), ("3 and 3 seeds, 1,000 images", 300)]
)
def test_the_reported_smallest_difference_is_seen_in_80_of_100(test: str, comparisons: int) -> None:
    """Of whole images, where steps and swaps matter most: in test_paired.py."""
    reported, true, _, there = compare_errors.power(test, comparisons, 3)
    assert true == pytest.approx(reported, rel=0.2)
    assert there == pytest.approx(0.8, abs=2 * np.sqrt(0.16 / comparisons))


@pytest.mark.parametrize("kind", interval_coverage.CLASS_SIZES)
@pytest.mark.parametrize("shape", ["all 0.5", "all 0.9", "Beta(2, 2)", "0.2 and 0.95"])
def test_means_over_classes_are_covered_where_classes_are_small(kind: str, shape: str) -> None:
    sizes, generator = interval_coverage.CLASS_SIZES[kind], np.random.default_rng(11)
    labels, scores = np.repeat(np.arange(len(sizes)), sizes), interval_coverage.class_scores(len(sizes))[shape]
    samples = 60 if len(labels) > 10_000 else 250
    found = (mean_per_class(generator.random(len(labels)) < scores[labels], labels) for _ in range(samples))
    assert interval_coverage.counted(kind, 0.5, float(scores.mean()), found).right


@pytest.mark.parametrize("kind", ["20 of 5, 20 of 50, 5 of 500", "20 of 2, 20 of 10", "50 of 1, 50 of 2"])
def test_differences_of_means_over_classes_are_covered(kind: str) -> None:
    sizes = interval_coverage.CLASS_SIZES[kind]
    scores = interval_coverage.class_scores(len(sizes))["Beta(2, 2)"]
    other, labels = 0.85 * scores + 0.05, np.repeat(np.arange(len(sizes)), sizes)
    found = interval_coverage._paired_classes(labels, scores, other, 200)
    assert interval_coverage.counted(kind, 0.5, float((other - scores).mean()), found).right


@pytest.mark.parametrize("score", [0.1, 0.5, 0.9])
def test_recall_of_twenty_images_is_covered(score: float) -> None:
    found = interval_coverage._recalls(np.arange(20) % 11 + 1, score, 300)
    row = interval_coverage.counted("recall", score, score, found)
    assert row.right or row.unreliable > 0.5


def test_every_accuracy_is_covered_in_91_of_100_samples() -> None:
    """Wilson's own covers 84 where 0.2 hits are expected."""
    for units in (10, 50, 500):
        ends = [share(np.arange(units) < hits) for hits in range(units + 1)]
        for score in np.linspace(0.5 / units, 0.5, 200):
            inside = np.array([(each.low or 0) <= score <= (each.high or 0) for each in ends])
            assert binom.pmf(np.arange(units + 1), units, score)[inside].sum() > 0.91


def test_miou_of_59_classes_on_100_images_has_no_interval_and_on_400_one_that_holds() -> None:
    world = segmentation_worlds.World(59, 1.0)
    assert miou.scores(segmentation_worlds.areas(world, 100, np.random.default_rng(3)))["miou"].low is None
    made = (miou.scores(segmentation_worlds.areas(world, 400, np.random.default_rng(row)))["miou"] for row in range(60))
    row = interval_coverage.counted("miou", 0.5, segmentation_worlds.truth(world, thousands=30), made)
    assert row.right and row.none == 0

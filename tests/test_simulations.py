"""Quick versions of the simulations in ``benchmarks``: coverage, false positives, power; wide Monte Carlo margins."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import compare_errors
import interval_coverage


@pytest.mark.parametrize("score", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("units", [500, 5000])
def test_wilsons_interval_covers_93_to_97_percent(units: int, score: float) -> None:
    assert 0.93 <= interval_coverage.wilson_exactly(units, score, 0, 0) <= 0.97


@pytest.mark.parametrize("method", ["bootstrap of clusters of five", "bootstrap within ten classes"])
def test_bootstrap_intervals_cover_about_95_percent(method: str) -> None:
    covered = interval_coverage.METHODS[method](500, 0.3, 150, 1)
    assert abs(covered - 0.95) <= 0.02 + 3 * np.sqrt(0.95 * 0.05 / 150)


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

"""Errors of depth: by hand, by mmsegmentation's own metric, by the published formulas, and their intervals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from goldieval.metrics.depth import crop_of, depth_errors, evaluated
from goldieval.metrics.intervals import Interval
from goldieval.metrics.registry import metric_of, names_of
from goldieval.tasks.dense_probe_params import DenseProbeParams

NEAREST, FARTHEST = 1e-3, 10.0


def maps(seed: int, shape: tuple[int, int] = (480, 640)) -> tuple[np.ndarray, np.ndarray]:
    """Return a true map with gaps, too near and too far pixels, and an estimate of it, float32."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.4, 9.9, shape).astype(np.float32)
    for value in (0.0, 5e-4, 10.0, 12.5):
        truth[generator.random(shape) < 0.05] = value
    predicted = truth * generator.lognormal(0.05, 0.3, shape) + generator.normal(0.0, 0.1, shape)
    return np.clip(predicted, NEAREST, FARTHEST).astype(np.float32), truth


def test_errors_by_hand() -> None:
    found = depth_errors(np.array([1.0, 3.0, 2.0, 2.6]), np.array([2.0, 2.0, 2.0, 2.0]))
    assert found["rmse"] == pytest.approx(np.sqrt((1 + 1 + 0 + 0.36) / 4))
    assert found["abs_rel"] == pytest.approx((0.5 + 0.5 + 0 + 0.3) / 4)
    assert found["log10"] == pytest.approx((np.log10(2) + np.log10(1.5) + np.log10(1.3)) / 4)
    assert (found["delta1"], found["delta2"], found["delta3"]) == (0.25, 0.75, 0.75)  # ratios 2, 1.5, 1 and 1.3
    assert depth_errors(np.array([2.0, 4.0]), np.array([1.0, 2.0]))["silog"] == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="no pixel"):
        depth_errors(np.zeros(0), np.zeros(0))


def test_a_ratio_of_exactly_the_limit_is_not_within_it() -> None:
    assert depth_errors(np.array([1.25]), np.array([1.0]))["delta1"] == 0.0


@pytest.mark.parametrize("crop", ["none", "eigen"])
def test_mmsegmentation_has_the_same_errors(crop: Any) -> None:
    from mmseg.evaluation import DepthMetric

    oracle: Any = DepthMetric(
        min_depth_eval=NEAREST, max_depth_eval=FARTHEST, crop_type="nyu_crop" if crop == "eigen" else None
    )
    pairs = [maps(seed) for seed in range(3)]
    for predicted, truth in pairs:
        data = {"pred_depth_map": torch.as_tensor(predicted), "gt_depth_map": torch.as_tensor(truth)}
        oracle.process({}, [{name: {"data": value[None]} for name, value in data.items()}])
    theirs = oracle.compute_metrics(oracle.results)
    kept = [evaluated(truth, NEAREST, FARTHEST, crop) for _, truth in pairs]
    own = [depth_errors(pair[0][keep], pair[1][keep]) for pair, keep in zip(pairs, kept, strict=True)]
    same = {"rmse": "rmse", "abs_rel": "abs_rel", "log10": "log10", "d1": "delta1", "d2": "delta2", "d3": "delta3"}
    for name, ours in same.items():
        assert np.mean([each[ours] for each in own]) == pytest.approx(theirs[name], rel=2e-5), name


def test_published_formulas_pixel_by_pixel() -> None:
    predicted, truth = maps(7, (40, 50))
    keep = evaluated(truth, NEAREST, FARTHEST)
    rows = [
        (float(p), float(t)) for p, t in zip(predicted.ravel(), truth.ravel(), strict=True) if NEAREST < t < FARTHEST
    ]
    assert len(rows) == int(keep.sum())
    n, found = len(rows), depth_errors(predicted[keep], truth[keep])
    logs = [np.log(p) - np.log(t) for p, t in rows]
    expected = {
        "rmse": (sum((p - t) ** 2 for p, t in rows) / n) ** 0.5,
        "abs_rel": sum(abs(p - t) / t for p, t in rows) / n,
        "log10": sum(abs(np.log10(p / t)) for p, t in rows) / n,
        "silog": (sum(each**2 for each in logs) / n - (sum(logs) / n) ** 2) ** 0.5,
        **{f"delta{k}": sum(max(p / t, t / p) < 1.25**k for p, t in rows) / n for k in (1, 2, 3)},
    }
    assert found == pytest.approx(expected)


def test_crops_are_rows_and_columns() -> None:
    truth = np.ones((480, 640))
    eigen = evaluated(truth, NEAREST, FARTHEST, "eigen")
    assert eigen.sum() == 426 * 560 and eigen[45, 41] and eigen[470, 600] and not eigen[471, 300]
    assert not eigen[44, 300] and not eigen[300, 40] and not eigen[300, 601]
    own = evaluated(truth, NEAREST, FARTHEST, [0, 10, 5, 6])
    assert np.argwhere(own).tolist() == [[row, 5] for row in range(10)]
    assert evaluated(np.ones((352, 1216)), NEAREST, 80.0, "garg").sum() == (349 - 143) * (1172 - 43)


@pytest.mark.parametrize(
    ("shape", "crop", "line"),
    [
        ((64, 64), "eigen", "640 x 480"),
        ((640, 480), "eigen", "480 x 640"),
        ((9, 9), [0, 10, 0, 9], "not within"),
        ((9, 9), [4, 4, 0, 9], "not within"),
        ((9, 9), [0, 9, -1, 9], "not within"),
    ],
)
def test_crops_outside_the_map_are_refused(shape: tuple[int, int], crop: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        crop_of(shape, crop)


def test_limits_are_exclusive() -> None:
    truth = np.array([[NEAREST, 0.5, FARTHEST, 0.0, 11.0]])
    assert evaluated(truth, NEAREST, FARTHEST).tolist() == [[False, True, False, False, False]]


def columns(values: np.ndarray, name: str = "rmse") -> dict[str, np.ndarray]:
    """Return outcomes of an error, (pictures, heads)."""
    lists = np.empty(len(values), dtype=object)
    lists[:] = values.tolist()
    ids = np.array([f"i{row}" for row in range(len(values))], dtype=object)
    return {"sample_id": ids, "cluster_id": ids, name: lists, f"{name}_constant": np.full(len(values), 1.5)}


def crossed(seed: int, images: int = 60, heads: int = 3, of_heads: float = 0.05) -> np.ndarray:
    """Return errors around 0.6 m that differ between pictures and heads."""
    generator = np.random.default_rng(seed)
    by_image, by_head = generator.gamma(4, 0.15, (images, 1)), of_heads * generator.normal(size=(1, heads))
    return by_image + by_head + 0.02 * generator.normal(size=(images, heads))


def found(errors: np.ndarray) -> Interval:
    return metric_of("rmse").interval(_values(errors))


def test_score_is_the_mean_over_pictures_and_heads_and_lower_is_better() -> None:
    metric, errors = metric_of("rmse"), crossed(0)
    interval = found(errors)
    assert metric.lower_is_better and metric.unit.name == "metres"
    assert interval.value == pytest.approx(errors.mean()) and metric.score(_values(errors)) == interval.value
    assert interval.low is not None and interval.high is not None and interval.low < interval.value < interval.high
    assert interval.seed_scores == pytest.approx(errors.mean(axis=0))
    assert metric.guess(columns(errors)) == 1.5 and metric.guess({}) is None


def test_interval_has_the_variance_of_pictures_and_of_heads_apart() -> None:
    steady, unsteady = (found(crossed(1, of_heads=spread)) for spread in (0.0, 0.2))
    assert unsteady.high - unsteady.low > 1.5 * (steady.high - steady.low)  # type: ignore[operator]
    errors = crossed(1, of_heads=0.2)
    assert unsteady.seed_error == pytest.approx(errors.mean(axis=0).std(ddof=1) / np.sqrt(3))
    assert unsteady.sample_error == pytest.approx(errors.mean(axis=1).std(ddof=1) / np.sqrt(len(errors)))
    assert found(crossed(1)[:1]).low is None


def test_intervals_of_errors_are_not_cut_at_1_nor_at_0() -> None:
    far = found(10 + crossed(3))
    assert far.low is not None and far.high is not None and far.low > 10 and far.high > far.value
    assert metric_of("delta1").interval(metric_of("delta1").values(columns(crossed(4) / 9, "delta1"))).high < 1  # type: ignore


@pytest.mark.parametrize("of_heads", [0.0, 0.03])
def test_intervals_cover(of_heads: float) -> None:
    drawn = [found(crossed(seed, 80, 4, of_heads)) for seed in range(300)]
    covered = [each.low <= 0.6 <= each.high for each in drawn if each.low is not None and each.high is not None]
    assert np.mean(covered) > 0.92, np.mean(covered)


def test_models_are_compared_picture_by_picture() -> None:
    a = crossed(2)
    better = metric_of("rmse").paired(*[_values(each) for each in (a, 0.9 * a)])
    assert better.difference == pytest.approx(-0.1 * a.mean()) and better.p < 1e-3
    assert better.high is not None and better.high < 0 and better.losses == len(a)
    alike = metric_of("rmse").paired(_values(a), _values(a))
    assert alike.difference == 0


def test_large_differences_in_metres_are_not_cut_at_1() -> None:
    a = crossed(5)
    worse = metric_of("rmse").paired(_values(a), _values(a + 3 + crossed(6)))
    assert worse.difference > 3 and worse.high is not None and worse.high > worse.difference


def _values(errors: np.ndarray) -> Any:
    return metric_of("rmse").values(columns(errors))


def test_names_follow_the_target_and_their_order() -> None:
    depth = names_of("dense-probe", DenseProbeParams(target="depth"))
    assert depth == ["rmse", "abs_rel", "delta1", "delta2", "delta3", "log10", "silog"]
    assert not set(depth) & set(names_of("dense-probe", DenseProbeParams()))
    for a, b in itertools.combinations([metric_of(name).unit.name for name in ("rmse", "abs_rel", "log10")], 2):
        assert a != b

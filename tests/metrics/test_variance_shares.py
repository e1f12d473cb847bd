"""Shares of variance: against loops over levels, against populations whose shares are known, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from goldieval.metrics.variance_shares import REST, factorial_shares

LEVELS = {"a": 3, "b": 4, "c": 2}
REPEATS = 3


def design() -> dict[str, np.ndarray]:
    axes = np.indices((*LEVELS.values(), REPEATS)).reshape(len(LEVELS) + 1, -1)
    return dict(zip(LEVELS, axes, strict=False))


def world(rng: np.random.Generator, sizes: dict[str, float], dim: int = 5) -> dict[str, np.ndarray]:
    """Return effects of every level, of mean 0 and of the given mean square length."""
    effects = {}
    for name, size in sizes.items():
        effect = rng.normal(size=(LEVELS[name], dim))
        effect -= effect.mean(axis=0)
        effects[name] = effect * np.sqrt(size / (effect**2).sum(axis=1).mean())
    return effects


def drawn(rng: np.random.Generator, effects: dict[str, np.ndarray], noise: float, dim: int = 5) -> np.ndarray:
    """Return features: the effects of the levels, and noise of a given mean square length."""
    codes = design()
    count = len(codes["a"])
    return sum(effects[name][codes[name]] for name in effects) + rng.normal(size=(count, dim)) * np.sqrt(noise / dim)


def shares(features: np.ndarray) -> dict[str, float]:
    return {name: share.value for name, share in measured(features).items()}


def measured(features: np.ndarray):  # type: ignore[no-untyped-def]
    return factorial_shares(features, {name: [codes] for name, codes in design().items()})


def omega_squared_by_loops(features: np.ndarray) -> dict[str, float]:
    codes, count = design(), len(features)
    mean = features.mean(axis=0)
    total = sum(float(((row - mean) ** 2).sum()) for row in features)
    between = {
        name: sum(
            float(((features[codes[name] == codes[name][row]].mean(axis=0) - mean) ** 2).sum()) for row in range(count)
        )
        for name in LEVELS
    }
    freedom = {name: levels - 1 for name, levels in LEVELS.items()}
    error = (total - sum(between.values())) / (count - 1 - sum(freedom.values()))
    found = {name: (between[name] - freedom[name] * error) / (total + error) for name in LEVELS}
    return found | {REST: 1 - sum(found.values())}


def test_equals_omega_squared_by_loops_over_samples() -> None:
    rng = np.random.default_rng(0)
    features = drawn(rng, world(rng, {"a": 1.0, "b": 0.4}), 2.0) + 7.0  # a common mean has no part in it
    assert shares(features) == pytest.approx(omega_squared_by_loops(features), abs=1e-12)


def test_without_noise_shares_are_those_of_the_population() -> None:
    rng = np.random.default_rng(1)
    features = drawn(rng, world(rng, {"a": 3.0, "b": 1.0}), 0.0)
    assert shares(features) == pytest.approx({"a": 0.75, "b": 0.25, "c": 0.0, REST: 0.0}, abs=1e-9)


def test_an_attribute_of_several_effects_has_their_sum_and_parts_are_not_subtracted_from_the_rest() -> None:
    rng, codes = np.random.default_rng(2), design()
    features = drawn(rng, world(rng, {"a": 1.0, "b": 1.0}), 1.0)
    alone = shares(features)
    joint = codes["a"] * LEVELS["b"] + codes["b"]
    summed = factorial_shares(features, {"both": [codes["a"], codes["b"]], "c": [codes["c"]]})
    whole = factorial_shares(features, {"joint": [joint], "c": [codes["c"]]}, {"a": [codes["a"]]})
    assert summed["both"].value == pytest.approx(alone["a"] + alone["b"])
    assert summed[REST].value == pytest.approx(alone[REST])
    assert whole["joint"].value + whole["c"].value + whole[REST].value == pytest.approx(1)
    assert 0 < whole["a"].value < whole["joint"].value


def test_estimates_are_unbiased_and_intervals_cover_the_truth() -> None:
    """A noisy world in which the plain share of sums of squares would be far too large."""
    rng = np.random.default_rng(3)
    effects = world(rng, {"a": 1.0, "b": 0.5})
    found = [measured(drawn(rng, effects, 4.0)) for _ in range(120)]
    truth = {"a": 1.0 / 5.5, "b": 0.5 / 5.5, "c": 0.0, REST: 4.0 / 5.5}
    for name, share in truth.items():
        values = np.array([each[name].value for each in found])
        assert abs(values.mean() - share) < 4 * values.std() / np.sqrt(len(values)), name
        covered = np.mean([each[name].low <= share <= each[name].high for each in found])
        assert covered >= 0.88, (name, covered)
    below = np.mean([each["c"].value <= (each["c"].chance or 0) for each in found])
    assert 0.88 <= below <= 1.0  # an attribute without effect stays below chance's limit in 95 %


def test_an_unbalanced_design_and_equal_features_are_refused() -> None:
    codes = design()
    codes["b"] = codes["b"].copy()
    codes["b"][0] = 1
    features = np.random.default_rng(0).normal(size=(len(codes["a"]), 2))
    with pytest.raises(ValueError, match="not balanced"):
        factorial_shares(features, {name: [each] for name, each in codes.items()})
    with pytest.raises(ValueError, match="all features are equal"):
        measured(np.ones((len(codes["a"]), 2)))

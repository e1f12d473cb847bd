"""Learned loss weights: their derivative, their start, their bounds and where they converge."""

from __future__ import annotations

import math

import pytest
import torch
from objective_cases import (
    value,
)

from goldieval.goldiclip.objectives.uncertainty import HIGHEST, LOWEST, UncertaintyWeights


def test_derivative_minimum_and_scale_of_an_uncertainty_weight() -> None:
    weights = UncertaintyWeights({"a": 1.0}, warm_up=0)
    for s, loss in ((0.3, 2.0), (-1.0, 0.1)):
        weights.s["a"].data.fill_(s)
        weights.s["a"].grad = None
        weights({"a": torch.tensor(loss)}).backward()
        assert float(weights.s["a"].grad) == pytest.approx(0.5 * (1 - math.exp(-s) * loss), rel=1e-5)
    for factor in (1.0, 8.0):  # at s = ln L the network's gradient is that of ln L / 2, whatever L is multiplied by
        feature = torch.tensor(3.0, requires_grad=True)
        weights.s["a"].data.fill_(math.log(factor * 9))
        weights.s["a"].grad = None
        weights({"a": factor * feature**2}).backward()
        assert feature.grad is not None and float(feature.grad) == pytest.approx(0.5 * 2 / 3, rel=1e-5)
        assert float(weights.s["a"].grad) == pytest.approx(0, abs=1e-6)
        assert weights.weights()["a"] == pytest.approx(0.5 / (factor * 9), rel=1e-5)


def test_what_matters_more_multiplies_the_gradient_and_leaves_the_rest_point() -> None:
    weights = UncertaintyWeights({"a": 3.0, "b": 1.0}, warm_up=0)
    losses = {name: torch.tensor(2.0, requires_grad=True) for name in "ab"}
    for s in weights.s.values():
        s.data.fill_(math.log(2.0))
    weights(losses).backward()
    assert value(losses["a"].grad) == pytest.approx(3 * value(losses["b"].grad)) == pytest.approx(3 * 0.25)
    assert {name: float(weight) for name, weight in weights.weights().items()} == {"a": 0.75, "b": 0.25}
    assert [value(s.grad) for s in weights.s.values()] == pytest.approx([0, 0], abs=1e-6)


def test_weights_and_losses_sum_to_the_total() -> None:
    weights = UncertaintyWeights(dict.fromkeys(["a", "b"], 1.0), warm_up=0)
    weights.s["a"].data.fill_(1.5)
    losses = {"a": torch.tensor(4.0), "b": torch.tensor(0.3)}
    by_hand = sum(weights.weights()[name] * float(loss) + value(weights.s[name]) / 2 for name, loss in losses.items())
    assert value(weights(losses)) == pytest.approx(by_hand)


def test_starts_at_the_logarithm_of_the_mean_of_the_first_steps() -> None:
    """Of the steps in which the loss was active; from then on the optimiser alone moves it."""
    weights = UncertaintyWeights(dict.fromkeys(["a", "rare"], 1.0), warm_up=3)
    for number in range(8):
        losses = {"a": torch.tensor(float(number + 1))} | ({"rare": torch.tensor(7.0)} if number == 5 else {})
        weights(losses)
    assert value(weights.s["a"]) == pytest.approx(math.log(2))
    assert value(weights.s["rare"]) == pytest.approx(math.log(7))
    assert weights.seen.tolist() == [3, 1]
    asked = UncertaintyWeights({"a": 1.0}).eval()
    asked({"a": torch.tensor(5.0)})
    assert value(asked.s["a"]) == 0  # evaluation leaves no trace


def run(weights: UncertaintyWeights, losses: dict[str, float], steps: int) -> None:
    optimiser = torch.optim.AdamW(weights.parameters(), lr=1e-2, weight_decay=0)
    for _ in range(steps):
        optimiser.zero_grad()
        weights({name: torch.tensor(loss) for name, loss in losses.items()}).backward()
        optimiser.step()


def test_short_run_converges_to_the_logarithm_and_masked_losses_stay() -> None:
    """The losses fell to a quarter after the first steps, so that the weights have a way to go."""
    weights = UncertaintyWeights(dict.fromkeys(["large", "middle", "small", "masked"], 1.0), warm_up=5)
    for _ in range(5):
        weights({"large": torch.tensor(160.0), "middle": torch.tensor(8.0), "small": torch.tensor(0.8)})
    weights.s["masked"].data.fill_(0.75)
    run(weights, {"large": 40.0, "middle": 2.0, "small": 0.2}, 300)
    for name, loss in (("large", 40.0), ("middle", 2.0), ("small", 0.2)):
        assert abs(value(weights.s[name]) - math.log(loss)) < 0.1
    assert value(weights.s["masked"]) == 0.75
    assert weights.s["masked"].grad is None


def test_bounds_are_kept_and_do_not_hold_a_weight_for_ever() -> None:
    """Adam steps past a bound; where the loss turns, the weight must come back."""
    weights = UncertaintyWeights(dict.fromkeys(["a", "b"], 1.0), warm_up=1)
    weights({"a": torch.tensor(1e-9), "b": torch.tensor(1e9)})
    assert (value(weights.s["a"]), value(weights.s["b"])) == (LOWEST, HIGHEST)
    run(weights, {"a": 1e-9, "b": 1e9}, 50)
    assert 0.5 * math.exp(-HIGHEST) * 0.999 <= weights.weights()["b"] < weights.weights()["a"]
    assert weights.weights()["a"] <= 0.5 * math.exp(-LOWEST) * 1.001
    run(weights, {"a": 1.0, "b": 1.0}, 300)
    assert value(weights.s["a"]) > LOWEST + 1 and value(weights.s["b"]) < HIGHEST - 1


def test_weights_stay_float32_under_autocast() -> None:
    weights = UncertaintyWeights({"a": 1.0}, warm_up=0)
    weights.s["a"].data.fill_(0.1234567)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total = weights({"a": torch.tensor(1.2345678).bfloat16()})
    assert total.dtype == torch.float32 and weights.s["a"].dtype == torch.float32
    loss = float(torch.tensor(1.2345678).bfloat16())
    assert value(total) == pytest.approx(0.5 * math.exp(-0.1234567) * loss + 0.5 * 0.1234567, rel=1e-6)


def relative(bound: float, **importance: float) -> UncertaintyWeights:
    """Weights of which ``softmax`` is the contrast."""
    weights = UncertaintyWeights({"softmax": 1.0, **importance}, 1, "softmax", bound)
    weights({name: torch.tensor(2.0) for name in weights.names})  # all s start at ln 2
    return weights


def factors(weights: UncertaintyWeights) -> dict[str, float]:
    """The learned factor of each loss, without its importance."""
    return {name: float(weight) / weights.importance[name] for name, weight in weights.weights().items()}


@pytest.mark.parametrize("bound", [0.5, 1.0, 3.0])
def test_no_factor_exceeds_its_multiple_of_the_contrasts(bound: float) -> None:
    """At the edge and on either side of it; importance multiplies both."""
    weights = relative(bound, easy=3.0, hard=1.0)
    edge = value(weights.s["softmax"]) - math.log(bound)
    for s, kept in ((edge - 2, edge), (edge, edge), (edge + 0.1, edge + 0.1)):
        weights.s["easy"].data.fill_(s)
        assert factors(weights)["easy"] == pytest.approx(math.exp(-kept) / 2)
        assert float(weights.weights()["easy"]) == pytest.approx(3 * math.exp(-kept) / 2)
        assert value(weights.s["easy"]) == pytest.approx(kept)
    weights.s["softmax"].data.fill_(value(weights.s["softmax"]) + 1)  # what follows the contrast are the bounds
    assert factors(weights)["easy"] <= bound * factors(weights)["softmax"] * 1.00001
    free = UncertaintyWeights({"softmax": 1.0, "easy": 1.0}, warm_up=1, contrast="softmax")
    free({"softmax": torch.tensor(2.0), "easy": torch.tensor(0.02)})
    assert factors(free)["easy"] == pytest.approx(100 * factors(free)["softmax"], rel=1e-4)


def test_a_bound_by_the_contrast_has_a_gradient_and_lets_go() -> None:
    """A solved loss is held at the bound; once it is worse than the contrast, its weight falls within a few steps."""
    weights = relative(1.0, easy=1.0)
    optimiser = torch.optim.AdamW(weights.parameters(), lr=1e-2, weight_decay=0)

    def step(loss: float) -> None:
        optimiser.zero_grad()
        weights({"softmax": torch.tensor(2.0), "easy": torch.tensor(loss)}).backward()
        optimiser.step()

    for _ in range(100):
        step(0.01)
    s = weights.s["easy"]
    assert s.grad is not None and value(s.grad) == pytest.approx(0.5 * (1 - 0.01 / 2), rel=1e-2)  # it would go down
    assert factors(weights)["easy"] == pytest.approx(factors(weights)["softmax"])
    for _ in range(60):
        step(8.0)
    assert value(s) > value(weights.s["softmax"]) + 0.2


def test_without_a_contrast_yet_there_is_no_bound() -> None:
    """A warm start may be of other objectives alone; the bound holds from the first step with the contrast."""
    weights = UncertaintyWeights({"softmax": 1.0, "tokens": 1.0}, 2, "softmax", 1.0)
    for _ in range(3):
        weights({"tokens": torch.tensor(0.1)})
    assert value(weights.s["tokens"]) == pytest.approx(math.log(0.1)) and value(weights.s["softmax"]) == 0
    weights({"softmax": torch.tensor(3.0), "tokens": torch.tensor(0.1)})
    assert value(weights.s["tokens"]) == pytest.approx(math.log(3.0))

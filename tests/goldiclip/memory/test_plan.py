"""Whether a recipe fits, and the order in which settings that fit are looked for."""

from __future__ import annotations

from typing import Any

import pytest
from support.tiny_simulations import recipe_of

from goldieval.goldiclip.memory import plan as module
from goldieval.goldiclip.memory.plan import CONTEXT, GIB, NCCL, MemoryPlan, Setting, memory_plan, needed
from goldieval.goldiclip.memory.simulation import StepCost
from goldieval.goldiclip.recipe import Recipe
from goldieval.report.memory_plan import lines_of

FIXED, ACTIVATIONS = 4, 100  # GiB


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Settings that were simulated; activations go down with both."""
    settings: list[tuple[int, float]] = []

    def simulated(recipe: Recipe, processes: int, long: bool = False) -> StepCost:
        execution = recipe.execution
        if not long:
            settings.append((execution.micro_batches, execution.checkpointing))
        activations = ACTIVATIONS * (1 - 0.8 * execution.checkpointing) / execution.micro_batches
        parts = {"captions": round(activations * GIB), "weights": FIXED * GIB, "loss": 10**6}
        flops = (3 + execution.checkpointing + (execution.micro_batches > 1)) * 10**12
        return StepCost(parts, int(flops), 10**9, 1, 29.0)

    monkeypatch.setattr(module, "simulated", simulated)
    return settings


def _plan(memory: float, **execution: Any) -> MemoryPlan:
    return memory_plan(recipe_of(64, **execution), 2, round(memory * GIB))


def test_a_recipe_that_fits_is_left_as_it_is(tried: list[tuple[int, float]]) -> None:
    plan = _plan(120)
    assert (plan.fits, plan.other, tried) == (True, None, [(1, 0.0)])
    assert needed(plan.cost, 2) == plan.cost.bytes + CONTEXT + NCCL + round(0.05 * plan.cost.bytes)
    assert needed(plan.cost, 1) == needed(plan.cost, 2) - NCCL


@pytest.mark.parametrize(
    ("memory", "found"),
    [(100, (1, 0.25)), (40, (1, 1.0)), (20, (2, 1.0)), (15, (4, 1.0)), (8, None)],
)
def test_the_cheapest_setting_that_fits_is_found(
    tried: list[tuple[int, float]], memory: float, found: tuple[int, float] | None
) -> None:
    plan = _plan(memory)
    assert not plan.fits
    if found is None:
        assert plan.other is None
        return
    assert plan.other is not None
    setting, cost = plan.other
    assert (setting.micro_batches, setting.checkpointing) == found
    assert needed(cost, 2) <= memory * GIB
    assert tried.count(found) == 1


def test_lines_say_what_fits_and_what_to_copy(tried: list[tuple[int, float]]) -> None:
    lines = lines_of(_plan(100))
    assert lines[2].startswith("does not fit: ")
    assert lines[-1] == "  --set execution.checkpointing=0.25"
    assert max(map(len, lines)) <= 80
    assert "use more processes" in lines_of(_plan(8))[-1]
    fits = lines_of(_plan(120))
    assert fits[2].startswith("fits: ")
    assert not any("--set" in line for line in fits)
    rows = [line.rsplit(maxsplit=1) for line in fits if line.startswith("  ")]
    assert sum(float(size) for _, size in rows) == pytest.approx(needed(_plan(120).cost, 2) / GIB, abs=0.03)


def test_no_setting_is_looked_for_where_a_gpu_holds_no_step_at_all(tried: list[tuple[int, float]]) -> None:
    assert lines_of(_plan(2))[-1] == "no setting fits: the first 2.50 GiB are taken whatever the step; use larger GPUs"
    assert tried == [(1, 0.0)]


def test_micro_batches_are_proposed_without_a_static_graph() -> None:
    recipe = recipe_of(64)
    forced = recipe.model_copy(update={"execution": recipe.execution.model_copy(update={"static_graph": True})})
    assert "static_graph" not in Setting(2, 1.0).arguments(recipe) + Setting(1, 1.0).arguments(forced)
    assert Setting(2, 1.0).arguments(forced).endswith(" --set execution.static_graph=null")

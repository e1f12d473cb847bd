"""The optimiser: its parameter groups, its learning rates, Muon beside AdamW."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from tiny_trainings import (
    EVERYTHING,
    optimiser,
    recipe,
    steps_of,
    trainer,
)

from goldieval.goldiclip.optimiser import (
    load_optimiser_state,
    matrices_of_blocks,
    optimiser_of,
    parameter_groups,
    warm_up_cosine,
)
from goldieval.goldiclip.student import Student


def test_every_parameter_is_in_one_group_and_the_teacher_in_none(tmp_path: Path) -> None:
    chosen = recipe(**{**EVERYTHING, "weighting": {"kind": "uncertainty", "lr": 0.03}})
    running = trainer(tmp_path, chosen)
    matrices, others, weights = running.optimiser.param_groups
    grouped = [id(part) for group in (matrices, others, weights) for part in group["params"]]
    assert sorted(grouped) == sorted(id(part) for part in running.student.parameters())
    assert not set(grouped) & {id(part) for part in running.teacher.parameters()}
    assert all(part.ndim >= 2 for part in matrices["params"]) and matrices["weight_decay"] == 0.2
    assert all(part.ndim < 2 for part in others["params"]) and others["weight_decay"] == 0
    assert running.student.learned_weights is not None
    assert {id(part) for part in weights["params"]} == {
        id(part) for part in running.student.learned_weights.parameters()
    }
    assert (weights["weight_decay"], weights["initial_lr"]) == (0, 0.03)
    assert len(parameter_groups(Student(recipe()), recipe())) == 2


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    chosen = recipe(optimiser=optimiser(steps=100, warm_up=10))
    factors = [warm_up_cosine(step, chosen) for step in range(101)]
    assert factors[0] == pytest.approx(0.1) and factors[9] == 1 == max(factors) and factors[55] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0) and factors[10:] == sorted(factors[10:], reverse=True)
    assert warm_up_cosine(0, recipe(optimiser=optimiser(warm_up=0))) == 1


def test_muon_moves_the_matrices_of_blocks_and_adamw_the_rest(tmp_path: Path) -> None:
    """Every parameter has one optimiser, on one schedule; each part steps as torch's own does."""
    chosen = recipe(**EVERYTHING, optimiser=optimiser(muon_lr=2e-3))
    ours = trainer(tmp_path / "run", chosen)
    named = {parameter: name for name, parameter in ours.student.model.named_parameters()}
    muon, *adamw = ours.state.optimiser.param_groups
    assert {named[one] for one in muon["params"]} == {
        name
        for name, one in ours.student.model.named_parameters()
        if one.ndim == 2 and ("blocks." in name or ".cross." in name)
    }
    everything = [one for group in (muon, *adamw) for one in group["params"]]
    assert len(everything) == len({id(one) for one in everything}) == len(list(ours.student.parameters()))
    list(steps_of(ours))
    factor = warm_up_cosine(ours.step - 1, chosen)
    rates = (2e-3, chosen.optimiser.lr, chosen.weighting.lr)
    assert (muon["lr"], adamw[0]["lr"], adamw[-1]["lr"]) == tuple(rate * factor for rate in rates)
    by_adamw = trainer(tmp_path / "other", recipe(**EVERYTHING, optimiser=optimiser()))
    list(steps_of(by_adamw))
    moved = dict(ours.student.model.named_parameters())
    for name, parameter in by_adamw.student.model.named_parameters():
        if "resblocks.0.mlp.c_fc.weight" in name:
            assert not torch.allclose(parameter, moved[name])


def test_muon_steps_as_torchs_own() -> None:
    """To the bit: wide, tall and square matrices, several of one shape, one without a gradient, over several steps."""
    chosen = recipe(optimiser=optimiser(muon_lr=2e-3, lr=1e-3), execution={"fused": False})
    student, twin = Student(chosen), Student(chosen)
    twin.load_state_dict(student.state_dict())
    ours, settings = optimiser_of(student, chosen, torch.device("cpu")), chosen.optimiser
    muon = torch.optim.Muon(
        matrices_of_blocks(twin), lr=2e-3, weight_decay=settings.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(
        parameter_groups(twin, chosen, matrices_of_blocks(twin)), lr=1e-3, betas=settings.betas, eps=settings.eps
    )
    for seed in range(3):
        for one in (student, twin):
            give_gradients(one, seed)
            one.model.vision.transformer.resblocks[0].mlp.c_fc.weight.grad = None
        for part in (ours, muon, adamw):
            part.step()
        for mine, theirs in zip(student.parameters(), twin.parameters(), strict=True):
            assert torch.equal(mine, theirs)
    state = ours.state_dict()["muon"]
    assert state["state"].keys() == muon.state_dict()["state"].keys()
    assert state["param_groups"][0].keys() - {"initial_lr"} == muon.state_dict()["param_groups"][0].keys()


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("muon_lr", [None, 1e-3])
def test_a_state_is_gone_on_with_by_the_kernel_of_the_recipe(saved: bool, muon_lr: float | None) -> None:
    """Whatever kernel wrote it; the next step is the same but for rounding."""
    student, other = Student(recipe()), Student(recipe())
    other.load_state_dict(student.state_dict())
    made = []
    for one, fused in ((student, saved), (other, not saved)):
        chosen = recipe(optimiser=optimiser(muon_lr=muon_lr), execution={"fused": fused})
        made.append(optimiser_of(one, chosen, torch.device("cpu")))
    before, after = made
    give_gradients(student, seed=0)
    before.step()
    other.load_state_dict(student.state_dict())
    load_optimiser_state(after, deepcopy(before.state_dict()))
    assert [group.get("fused") for group in after.param_groups][-1] is (None if saved else True)
    for one, theirs in ((student, before), (other, after)):
        give_gradients(one, seed=1)
        theirs.step()
    for ours, theirs in zip(other.parameters(), student.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def give_gradients(student: Student, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in student.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)

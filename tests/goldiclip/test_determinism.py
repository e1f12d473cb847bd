"""``execution.deterministic``: two runs to the bit, or one line that says what cannot be repeated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers import one_line
from pretend_device import pretend_device
from tiny_trainings import EVERYTHING, CutError, cut_at, log_of, message, optimiser, recipe, same, steps_of, trainer

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.determinism import WORKSPACE, fix_workspace, fixed_order
from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.losses import LOSSES
from goldieval.goldiclip.recipe import Recipe

DETERMINISTIC = {"deterministic": True}


@pytest.fixture(autouse=True)
def without_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKSPACE, raising=False)


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow)])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def everything(**execution: object) -> Recipe:
    return recipe(
        **EVERYTHING, optimiser=optimiser(steps=4, precision="bf16"), execution={**DETERMINISTIC, **execution}
    )


def test_two_runs_have_the_same_bits_also_when_one_was_interrupted(threads: int, tmp_path: Path) -> None:
    chosen = everything(micro_batches=2, checkpointing=0.5)
    one = trainer(tmp_path / "one", chosen).run()
    with pytest.raises(CutError):
        trainer(tmp_path / "two", chosen).run(cut_at(4))
    two = trainer(tmp_path / "two", chosen, resume=True).run()
    assert same(*(dict(load_weights(folder)[0].state_dict()) for folder in (one, two)))
    assert log_of(tmp_path / "one") == log_of(tmp_path / "two")


def test_the_settings_of_the_process_are_as_before(tmp_path: Path) -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = True
    try:
        list(steps_of(trainer(tmp_path, recipe(execution=DETERMINISTIC))))
        assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.backends.cudnn.benchmark
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.benchmark = False
    list(steps_of(trainer(tmp_path, recipe(optimiser=optimiser(steps=1)))))
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("backward", [False, True])
def test_an_operation_without_a_fixed_order_ends_the_run_in_one_line(
    backward: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is; ``put_`` has none on any device."""

    class Unordered(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, scale: torch.Tensor) -> torch.Tensor:
            return scale.clone() if backward else torch.zeros(3).put_(torch.tensor([1]), scale)[1:2]

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            return torch.zeros(3).put_(torch.tensor([1]), gradient)[1:2]

    def unordered(step: StepFeatures) -> torch.Tensor:
        return Unordered.apply(step.model.logit_scale[None]).sum()

    monkeypatch.setitem(LOSSES, "softmax", unordered)
    list(steps_of(trainer(tmp_path, recipe(optimiser=optimiser(steps=1)))))
    running = trainer(tmp_path, recipe(execution=DETERMINISTIC))
    line = message(lambda: list(steps_of(running)))
    assert "execution.deterministic: put_ cannot be repeated" in line and "Leave execution.deterministic out" in line
    assert not torch.are_deterministic_algorithms_enabled()


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="of another kind"), fixed_order(True):
        raise RuntimeError("of another kind")
    with fixed_order(False):
        assert not torch.are_deterministic_algorithms_enabled()


def test_the_workspace_of_cublas_is_fixed_before_cuda_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    fix_workspace()
    assert WORKSPACE not in os.environ  # there is no GPU
    with pretend_device():
        fix_workspace()
        assert os.environ[WORKSPACE] == ":4096:8"
        monkeypatch.setenv(WORKSPACE, ":16:8")
        fix_workspace()
        assert os.environ[WORKSPACE] == ":16:8"
        monkeypatch.setenv(WORKSPACE, ":0:0")
        with pytest.raises(GoldievalError) as failure:
            fix_workspace()
        assert "it is :0:0" in one_line(str(failure.value))
        monkeypatch.delenv(WORKSPACE)
        computed = torch.ones(2).to("cuda")
        with pytest.raises(GoldievalError, match="has computed on CUDA without"):
            fix_workspace()
        assert WORKSPACE not in os.environ and len(computed) == 2


def test_processes_may_not_exchange_gradients_in_another_order_after_a_resume() -> None:
    assert recipe().static_graph and not recipe(execution=DETERMINISTIC).static_graph
    with pytest.raises(ValueError, match=r"execution\.static_graph: a resumed run"):
        recipe(execution={**DETERMINISTIC, "static_graph": True})

"""How a step is computed changes its memory and speed, not its result: one process, every objective."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from objective_cases import model
from objective_passes import CASES, IN_ENCODER, OBJECTIVES, ObjectiveSteps, cloned, goldilocks, several
from tiny_trainings import message, same

from goldieval.goldiclip import compilation
from goldieval.goldiclip.blocks import as_written, run, set_blocks
from goldieval.goldiclip.compilation import CompiledStep, check_compiler
from goldieval.goldiclip.execution import stacks_of
from goldieval.goldiclip.recipe_parts import Optimiser

DECODERS = ("through_encoder", "in_encoder")


@pytest.fixture(autouse=True)
def float32() -> None:
    """accelerate keeps the precision of a process, which the steps of this file share."""
    AcceleratorState._reset_state(reset_partial_state=True)
    Accelerator(cpu=True)


@cache
def steps(decoder: str = "through_encoder", **execution: Any) -> ObjectiveSteps:
    return ObjectiveSteps(several(OBJECTIVES, decoder, execution=execution))


@cache
def expected(name: str, decoder: str = "through_encoder") -> Any:
    return cloned(steps(decoder)(name))


def assert_equal(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    assert found["losses"].keys() == wanted["losses"].keys()
    for name, loss in wanted["losses"].items():
        torch.testing.assert_close(found["losses"][name], loss, atol=tolerance, rtol=tolerance, msg=name)
    assert found["gradients"].keys() == wanted["gradients"].keys()
    for name, gradient in wanted["gradients"].items():
        largest = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(found["gradients"][name], gradient, atol=tolerance * largest, rtol=0, msg=name)


@pytest.mark.parametrize("parts", [2, 5, 12])
@pytest.mark.parametrize("name", CASES)
def test_micro_batches_give_losses_and_gradients_of_the_whole(name: str, parts: int) -> None:
    """Also where they are not equally large (5), and with one image each (12)."""
    found = steps(micro_batches=parts)(name)
    assert_equal(found, expected(name))
    for key, buffer in expected(name)["state"].items():
        torch.testing.assert_close(found["state"][key], buffer, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", IN_ENCODER)
def test_micro_batches_of_a_decoder_in_the_encoder(name: str) -> None:
    """The text tower has gradients of the decoder and of what is encoded again."""
    assert_equal(steps("in_encoder", micro_batches=4)(name), expected(name, "in_encoder"))


@pytest.mark.parametrize(
    "execution",
    [{"micro_batches": 5}, {"micro_batches": 12, "checkpointing": 1.0}, {"checkpointing": 1.0}],
    ids=str,
)
def test_parts_with_scales_heads_and_bounds_of_their_own(execution: dict[str, Any]) -> None:
    found, whole = (ObjectiveSteps(goldilocks(execution=changes))("") for changes in (execution, {}))
    assert_equal(found, whole)
    own = {"state.scales.distil_agnostic", "model.conditioned_logit_bias", "learned_weights.s.distil_conditioned"}
    assert own <= whole["gradients"].keys()


def test_a_scaled_loss_scales_all_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the scaler of fp16 does: what is encoded again takes over the scale."""
    step = steps(micro_batches=4)
    monkeypatch.setattr(step.passes.accelerator, "backward", lambda loss: (1024 * loss).backward())
    found = step("")
    found["gradients"] = {name: gradient / 1024 for name, gradient in found["gradients"].items()}
    assert_equal(found, expected(""))


def saved_bytes(step: ObjectiveSteps) -> int:
    """Bytes that are kept for a backward pass, except what is computed again."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step("")
    return sum(kept.values())


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_activations_that_are_computed_again_change_no_bit(share: float, decoder: str) -> None:
    found = steps(decoder, checkpointing=share)("")
    assert set(found["losses"]) == set(OBJECTIVES) and same(found, expected("", decoder))


def test_activations_that_are_computed_again_are_not_kept() -> None:
    whole, half, none = (saved_bytes(steps(checkpointing=share)) for share in (0.0, 0.5, 1.0))
    assert none < 0.6 * whole and none < half < whole


def test_settings_of_blocks_are_no_part_of_a_model() -> None:
    """Else the fingerprint of a model that is trained would be another, and with it the key of its records."""
    plain, other = model(), model()
    for stack in stacks_of(other).values():
        set_blocks(stack, 1.0, CompiledStep("tower", print))
    assert repr(other) == repr(plain) and same(dict(other.state_dict()), dict(plain.state_dict()))
    assert [name for name, _ in other.named_modules()] == [name for name, _ in plain.named_modules()]


def test_micro_batches_and_activations_computed_again_together() -> None:
    assert_equal(steps(micro_batches=3, checkpointing=1.0)(""), expected(""))


@pytest.fixture
def no_inductor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trace and differentiate as in compilation, without the minutes that a C++ compiler takes."""
    monkeypatch.setattr(compilation, "BACKEND", "aot_eager")
    monkeypatch.setattr("goldieval.goldiclip.execution.check_compiler", lambda device: None)


@pytest.mark.parametrize("execution", [{}, {"micro_batches": 4}, {"checkpointing": 1.0}], ids=str)
def test_compiled_blocks_compute_the_same(execution: dict[str, Any], no_inductor: None) -> None:
    compiled = ObjectiveSteps(several(OBJECTIVES, execution={**execution, "compile": True}))
    for _ in range(2):
        assert_equal(compiled(""), expected(""))
    counts = {step.graphs for stack in stacks_of(compiled.student.model).values() for step in steps_in(stack)}
    assert max(counts) <= 5 and not compiled.notes


def steps_in(stack: torch.nn.ModuleList) -> set[CompiledStep]:
    """What computes the blocks of a stack, which is one and the same."""
    found = {block.settings.step for block in stack}
    assert len(found) == 1
    return found


def test_texts_of_all_lengths_are_compiled_once(no_inductor: None) -> None:
    blocks, notes = model().text.blocks, []
    step = CompiledStep("text tower", notes.append)
    for texts, length in ((3, 5), (7, 9), (4, 31), (9, 2), (5, 17)):
        hidden = torch.randn(texts, length, 32)
        set_blocks(blocks, 0)
        written = run(blocks, hidden, causal=True)
        set_blocks(blocks, 0, step)
        torch.testing.assert_close(run(blocks, hidden, causal=True), written, atol=1e-5, rtol=0)
    assert step.graphs <= 3 and not notes


def test_compilations_have_a_limit_which_is_said(monkeypatch: pytest.MonkeyPatch, no_inductor: None) -> None:
    """Inputs of other kinds are computed as written, and those that were compiled before are still compiled."""
    monkeypatch.setattr(compilation, "MOST_GRAPHS", 2)
    blocks, notes = model().double().text.blocks, []
    step = CompiledStep("text tower", notes.append)
    for kind in (True, False):
        for grad in (True, False):
            for rows in (1, 3):
                hidden = torch.randn(rows, 4, 32, dtype=torch.float64, requires_grad=grad)
                with torch.set_grad_enabled(grad):
                    found, written = step(blocks[0], hidden, kind), as_written(blocks[0], hidden, kind)
                torch.testing.assert_close(found, written)
    assert step.graphs == 2
    assert notes == [
        "execution.compile: blocks of the text tower have been compiled 2 times; what needs another form is computed "
        "as written from now on"
    ]


def test_without_a_compiler_a_training_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so before its first step."""
    from torch._inductor import config, cpp_builder

    monkeypatch.setattr(config.cpp, "cxx", (None, "no-such-compiler"))
    cpp_builder.get_cpp_compiler.cache_clear() if hasattr(cpp_builder.get_cpp_compiler, "cache_clear") else None
    line = message(lambda: check_compiler(torch.device("cpu")))
    assert line.startswith("execution.compile: torch.compile does not work here (") and "no-such-compiler" in line
    assert line.endswith("Install a C++ compiler such as g++, or leave execution.compile out.")


@pytest.mark.parametrize("objectives", [OBJECTIVES, ("vqa", "sigmoid"), ("cross_modal",)], ids=len)
def test_micro_batches_in_bf16_differ_by_its_rounding(objectives: tuple[str, ...]) -> None:
    """Casts of weights that were made without gradients are not taken where gradients are needed."""
    exact = ObjectiveSteps(several(objectives))()
    half = Optimiser(steps=3, batch_size=12, precision="bf16")
    AcceleratorState._reset_state(reset_partial_state=True)
    whole, parts = (
        ObjectiveSteps(several(objectives, optimiser=half, execution={"micro_batches": parts}))() for parts in (1, 4)
    )
    assert parts["gradients"].keys() == exact["gradients"].keys()
    for part, gradient in exact["gradients"].items():
        usual, error = ((each["gradients"][part] - gradient).norm() / gradient.norm() for each in (whole, parts))
        assert not float(error) > 2 * float(usual) + 0.02, part

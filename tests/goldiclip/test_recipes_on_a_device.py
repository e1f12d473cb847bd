"""Steps of every shipped recipe on a GPU that is not there: the CPU's numbers, and one wait for the device a step."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import goldilocks_parts as parts
import pytest
import torch
from accelerate.state import AcceleratorState
from pretend_device import Report, by_line, pretend_device
from pretend_report import Event
from scaled_recipes import scaled, scaled_corpus

from goldieval.goldiclip import dense
from goldieval.goldiclip.data import normalisation
from goldieval.goldiclip.data.shapes import ShapesCorpus
from goldieval.goldiclip.determinism import WORKSPACE
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_files import recipe_names
from goldieval.goldiclip.run_folder import StepReport
from goldieval.goldiclip.trainer import Trainer

FLOAT32, BF16, FP16 = ({"precision": precision} for precision in ("no", "bf16", "fp16"))
OF_THE_BATCH = "goldieval/goldiclip/data/"
QUICK = ("clip-b16", "goldiclip-b16", "superclip-b16")
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in recipe_names()]
ON_DEVICE = (normalisation._statistics, dense._interpolation)  # what is kept on a device for the whole process


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Operations so small are slower on several."""
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    monkeypatch.delenv(WORKSPACE, raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def corpus() -> ShapesCorpus:
    return scaled_corpus()


@contextmanager
def device() -> Iterator[Report]:
    _forget()
    with pretend_device() as report:
        yield report
    _forget()


def _forget() -> None:
    for kept in ON_DEVICE:
        kept.cache_clear()


@dataclass(frozen=True)
class Step:
    """A step and what it did to the device.

    Attributes:
        report: What the trainer says of it.
        waits: Waits of the host.
        copies: Copies to the device that are queued.
        stalling_copies: Copies to the device that the host waits for.
        float64: Operations on float64.
    """

    report: StepReport
    waits: Counter[Event]
    copies: Counter[Event]
    stalling_copies: Counter[Event]
    float64: Counter[Event]


def steps_of(running: Trainer, report: Report | None = None) -> Iterator[Step]:
    """Do the steps that are left; each is counted alone."""
    seen = report or Report(memory=None)  # type: ignore[arg-type]
    while running.step < running.recipe.optimiser.steps:
        if report is not None:
            report.clear()
        done = running.train_step()
        kinds = (seen.synchronisations, seen.queued_uploads, seen.uploads, seen.float64)
        yield Step(done, *map(Counter, kinds))


def trainer(recipe: Recipe, out: Path, resume: bool = False) -> Trainer:
    AcceleratorState._reset_state(reset_partial_state=True)
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)  # accelerate keeps the first one
    return Trainer(recipe, out, resume=resume, corpus=corpus())


def on_cpu(recipe: Recipe, out: Path) -> list[StepReport]:
    return [step.report for step in steps_of(trainer(recipe, out))]


def on_device(recipe: Recipe, out: Path, resume: bool = False) -> list[Step]:
    with device() as report:
        running = trainer(recipe, out, resume)
        assert running.accelerator.device.type == "cuda"
        return list(steps_of(running, report))


def assert_same(ours: StepReport, theirs: StepReport, relative: float, absolute: float = 1e-6) -> None:
    assert ours.losses == pytest.approx(theirs.losses, rel=relative, abs=absolute)
    assert ours.weights == pytest.approx(theirs.weights, rel=relative, abs=absolute)


def assert_within_budget(steps: list[Step], waits: int = 1) -> None:
    """Check that steps wait seldom, copy nothing but the batch, and compute nothing in float64.

    The first step may copy constants that stay on the device.
    """
    for step in steps:
        assert sum(step.waits.values()) <= waits, by_line(step.waits)
        assert not step.float64, by_line(step.float64)
    for step in steps[1:]:
        assert not step.stalling_copies, by_line(step.stalling_copies)
        assert step.copies and all(event.line.startswith(OF_THE_BATCH) for event in step.copies), by_line(step.copies)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_on_the_device_has_the_numbers_of_the_cpu_and_waits_once(name: str, tmp_path: Path) -> None:
    recipe = scaled(name, optimiser=FLOAT32)
    expected = on_cpu(recipe, tmp_path / "cpu")
    steps = on_device(recipe, tmp_path / "device")
    assert_within_budget(steps)
    for ours, theirs in zip(steps, expected, strict=True):
        assert_same(ours.report, theirs, relative=1e-5)
        assert ours.report.gradient_norm == pytest.approx(theirs.gradient_norm, rel=1e-4)
    half = on_device(scaled(name, optimiser=BF16), tmp_path / "half")
    assert_within_budget(half)
    assert_same(half[0].report, expected[0], relative=1e-2, absolute=1e-2)


@pytest.mark.parametrize(
    "execution",
    [{"micro_batches": 2}, {"checkpointing": 1.0}, {"micro_batches": 2, "checkpointing": 0.5}, {"fused": False}],
    ids=str,
)
@pytest.mark.parametrize("name", ["goldiclip-b16", pytest.param("cosmos-tiny", marks=pytest.mark.slow)])
def test_ways_to_execute_a_step_change_neither_its_numbers_nor_its_waits(
    name: str, execution: dict[str, Any], tmp_path: Path
) -> None:
    expected = on_cpu(scaled(name, layers=2, optimiser=FLOAT32), tmp_path / "cpu")
    steps = on_device(scaled(name, layers=2, optimiser=FLOAT32, execution=execution), tmp_path / "device")
    assert_within_budget(steps)
    for ours, theirs in zip(steps, expected, strict=True):
        assert_same(ours.report, theirs, relative=1e-4)


def test_views_are_redrawn_and_jittered_on_the_device(tmp_path: Path) -> None:
    """Their draws come with the batch: nothing else is copied, and the host waits no more than before."""
    changes = {"redraw": 0.5, "jitter": 1.0, "whole_views": 1}
    chosen = scaled("goldiclip-b16", steps=3, optimiser=FLOAT32, data=changes)
    expected = on_cpu(chosen, tmp_path / "cpu")
    steps = on_device(chosen, tmp_path / "device")
    assert_within_budget(steps)
    for ours, theirs in zip(steps, expected, strict=True):
        assert_same(ours.report, theirs, relative=1e-5)
    plain = on_cpu(scaled("goldiclip-b16", steps=3, optimiser=FLOAT32), tmp_path / "plain")[0].losses
    changed = {name for name, loss in expected[0].losses.items() if loss != plain[name]}
    assert changed == {"distil_agnostic", "distil_conditioned"}


def test_scales_heads_and_bounds_of_their_own_wait_for_nothing_more(tmp_path: Path) -> None:
    own = {"model": parts.MODEL, "teacher": parts.TEACHER, "weighting": parts.WEIGHTING}
    recipe = scaled("goldiclip-b16", optimiser=FLOAT32, objectives={"softmax": 1.0, "token_classes": 1.0}, **own)
    steps = on_device(recipe, tmp_path / "device")
    assert_within_budget(steps)
    for ours, theirs in zip(steps, on_cpu(recipe, tmp_path / "cpu"), strict=True):
        assert_same(ours.report, theirs, relative=1e-5)


@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize("name", ["clip-b16", pytest.param("goldiclip-tiny", marks=pytest.mark.slow)])
def test_a_resumed_step_waits_once_and_is_the_one_that_was_interrupted(
    name: str, fused: bool | None, tmp_path: Path
) -> None:
    """AdamW counts steps on the host, or on the device in its fused kernel; on the wrong one it waits 900 times."""
    recipe = scaled(name, steps=3, optimiser=BF16, execution={"fused": fused})
    with device() as report:
        running = trainer(recipe, tmp_path)
        steps = steps_of(running, report)
        next(steps)
        running.guard.good_step = 1
        running.save()
        expected = list(steps)
    again = on_device(recipe, tmp_path, resume=True)
    assert_within_budget(again)
    for ours, theirs in zip(again, expected, strict=True):
        assert (ours.report.losses, ours.report.weights) == (theirs.report.losses, theirs.report.weights)


def test_the_state_of_another_kernel_is_gone_on_with(tmp_path: Path) -> None:
    """A checkpoint of a CPU on the device, whose kernel counts its steps elsewhere."""
    recipe = scaled("clip-b16", steps=3, optimiser=FLOAT32)
    running = trainer(recipe, tmp_path)
    steps = steps_of(running)
    next(steps)
    running.save()
    expected = list(steps)
    with device() as report:
        again = trainer(recipe, tmp_path, resume=True)
        state = again.state.optimiser.state
        assert all(state[parameter]["step"].is_cuda for parameter in state) and state
        found = list(steps_of(again, report))
    assert_within_budget(found)
    for ours, theirs in zip(found, expected, strict=True):
        assert_same(ours.report, theirs.report, relative=1e-5)


def test_fp16_waits_twice(tmp_path: Path) -> None:
    """The scaler must know whether a step was too large before it is taken; it inverts its scale in float64."""
    steps = on_device(scaled("clip-b16", optimiser=FP16, execution={"fused": False}), tmp_path)
    assert [sum(step.waits.values()) for step in steps] == [2, 2]


def test_generation_waits_once_for_several_tokens_and_answers_as_on_the_cpu() -> None:
    torch.manual_seed(0)
    model = GoldiClip(scaled("goldiclip-b16").model).eval()
    with torch.no_grad():
        model.text.embedding.weight.mul_(20)
    question, pixels = torch.tensor([[812, 5, 6, 813], [812, 7, 813, 0]]), torch.randn(2, 3, 32, 32)
    expected = {longest: model.generate(question, model.image_features(pixels), longest) for longest in (5, 12)}
    with device() as report:
        model.to("cuda")
        features, asked = model.image_features(pixels.to("cuda")), question.to("cuda")
        for longest, tokens in expected.items():
            report.clear()
            answers = model.generate(asked, features, longest)
            assert sum(report.synchronisations.values()) <= 3, by_line(report.synchronisations)
            assert torch.equal(answers.cpu(), tokens)

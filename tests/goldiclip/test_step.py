"""A step's numbers on the host, its clock, and positions whose gradient has a fixed order."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers import one_line
from pretend_device import by_line, pretend_device
from tiny_trainings import message, recipe, steps_of, trainer

from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.dense import positions_for
from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.losses import LOSSES
from goldieval.goldiclip.step import BatchTooLargeError
from goldieval.goldiclip.step_numbers import MAX_LOSS, numbers_of


def test_the_numbers_of_a_step_are_one_copy() -> None:
    with pretend_device() as report:
        parts = [torch.tensor(value).to("cuda") for value in (3.5, 1.5, 2.0, 0.25, 9.0)]
        total, first, second, weight, norm = parts
        report.clear()
        numbers = numbers_of(total, {"a": first, "b": second.bfloat16()}, {"a": weight, "b": weight * 2}, norm)
        assert sum(report.stalls.values()) == 1, by_line(report.stalls)
    assert (numbers.total, numbers.own_total, numbers.gradient_norm) == (3.5, 3.5, 9.0)
    assert numbers.losses == numbers.own_losses == {"a": 1.5, "b": 2.0}
    assert numbers.weights == {"a": 0.25, "b": 0.5} and not numbers.diverged


@pytest.mark.parametrize("total", [math.nan, math.inf, -math.inf, MAX_LOSS, 2 * MAX_LOSS])
def test_a_total_that_is_not_finite_or_has_exploded_is_diverged(total: float) -> None:
    assert numbers_of(torch.tensor(total), {"a": torch.tensor(1.0)}, {"a": 1.0}, torch.tensor(1.0)).diverged


def test_a_loss_that_is_not_finite_moves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known after the backward pass, and before the optimiser's step."""
    running = trainer(tmp_path, recipe(weighting={"kind": "uncertainty"}))
    next(steps_of(running))
    before = {name: tensor.clone() for name, tensor in running.student.model.state_dict().items()}
    teacher = {name: tensor.clone() for name, tensor in running.teacher.state_dict().items()}
    with torch.no_grad():
        running.student.model.image_projection.weight.mul_(math.nan)
    line = message(running.train_step)
    assert "training stopped at step 1: the loss is nan (softmax nan)" in line
    after = running.student.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items() if name != "image_projection.weight")
    assert all(torch.equal(running.teacher.state_dict()[name], tensor) for name, tensor in teacher.items())


def test_the_rate_counts_everything_between_two_reports_but_what_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU the optimiser's work is waited for in the next step; here its place is a nap."""
    running = trainer(tmp_path)
    steps, load, move, nap = steps_of(running), running.loader.batch, running.optimiser.step, 0.3

    def slow_load(step: int) -> Batch:
        time.sleep(nap)
        return load(step)

    def slow_step() -> None:
        time.sleep(nap)
        move()

    first = next(steps)
    assert first.waited < nap and first.memory > 2**20
    running.loader.batch = slow_load  # type: ignore[method-assign]
    running.optimiser.step = slow_step
    assert next(steps).waited >= nap
    assert 8 / next(steps).rate > 2 * nap
    time.sleep(4 * nap)
    running.training_step.restart_clock()
    assert nap < 8 / next(steps).rate < 4 * nap


def test_processor_time_counts_what_is_computed_and_not_what_is_waited_for(tmp_path: Path) -> None:
    running = trainer(tmp_path)
    steps, load, seconds = steps_of(running), running.loader.batch, 0.3

    def compute(duration: float) -> None:
        end = time.thread_time() + duration
        while time.thread_time() < end:
            pass

    def computing(step: int) -> Batch:
        compute(seconds)
        return load(step)

    def sleeping(step: int) -> Batch:
        time.sleep(seconds)
        return load(step)

    next(steps)
    running.loader.batch = sleeping  # type: ignore[method-assign]
    waiting = next(steps)
    running.loader.batch = computing  # type: ignore[method-assign]
    assert next(steps).processor > waiting.processor + seconds / 2
    compute(4 * seconds)  # an evaluation, say
    running.training_step.restart_clock()
    assert next(steps).processor < waiting.processor + 3 * seconds


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes."),
        MemoryError(),
    ],
)
def test_exhausted_memory_says_what_to_change(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(features: StepFeatures) -> torch.Tensor:
        raise error

    monkeypatch.setitem(LOSSES, "softmax", exhausted)
    with pytest.raises(BatchTooLargeError) as failure:
        trainer(tmp_path).train_step()
    line = one_line(str(failure.value))
    assert "optimiser.batch_size 8 needs more memory than 1 x cpu" in line
    assert "execution.micro_batches (now 1) or execution.checkpointing (now 0)" in line
    assert "--dry-run --processes 1 --memory GIB" in line


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 5), (9, 7), (4, 4)])
def test_interpolated_positions_have_torchs_values_and_gradient(rows: int, columns: int) -> None:
    """Values to the bit; the gradient is a product with a matrix, since torch's is not repeatable on CUDA."""
    positions = torch.randn(17, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    grid = positions[1:].T.reshape(1, 6, 4, 4)
    by_torch = F.interpolate(grid, size=(rows, columns), mode="bicubic", align_corners=False)[0].flatten(1).T
    expected = torch.cat([positions[:1], by_torch if (rows, columns) != (4, 4) else positions[1:]])
    ours = positions_for(positions, 4, rows, columns)
    assert torch.equal(ours, expected)
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad((out * weights).sum(), positions)[0] for out in (ours, expected)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


def test_interpolated_positions_wait_for_nothing_and_add_up_in_order() -> None:
    with pretend_device() as report:
        positions = torch.randn(17, 6).to("cuda").requires_grad_(True)
        report.clear()
        for _ in range(2):
            positions_for(positions, 4, 2, 3).sum().backward()
        assert not report.stalls and not report.unordered

"""Steps of a head are those of torch's own batch normalisation, convolution and AdamW on the same features."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from goldieval.core.units import unit_pool
from goldieval.families.dense_probe_fit import rate_of, shuffled
from goldieval.families.dense_probe_head import WindowData, head_of, new_head, set_gradients
from goldieval.families.dense_probe_state import state_of, state_with
from goldieval.families.dense_probe_windows import Window
from goldieval.scoring.pixel_loss import pixel_cross_entropy

DIM, CLASSES, STEPS = 12, 5, 30
TARGET: Any = SimpleNamespace(loss=lambda logits, truth: pixel_cross_entropy(logits, truth.long(), -1))


def batches(windows: int = 3) -> list[list[WindowData]]:
    """Windows of noise around a mean, in float16, with labels of which some are missing."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(STEPS):
        features = 3 * torch.randn(windows, 4, 6, DIM, generator=generator) + torch.arange(DIM)
        labels = torch.randint(-1, CLASSES, (windows, 16, 24), generator=generator)
        found.append([WindowData(*pair) for pair in zip(features.half(), labels, strict=True)])
    return found


def test_steps_are_those_of_torch_modules() -> None:
    state = state_with(new_head(DIM, CLASSES, 3, "cpu"), weight_decay=0.1)
    norm, convolution = nn.BatchNorm2d(DIM), nn.Conv2d(DIM, CLASSES, 1)
    with torch.no_grad():
        convolution.weight[:, :, 0, 0] = state.head.weight
        convolution.bias.zero_()  # type: ignore[union-attr]
    other = torch.optim.AdamW([*norm.parameters(), *convolution.parameters()], lr=0.01, weight_decay=0.1)
    for step, batch in enumerate(batches()):
        with unit_pool("cpu", 1) as run, torch.no_grad():
            set_gradients(state.head, batch, TARGET, step, run)
        for group in state.optimiser.param_groups:
            group["lr"] = 0.01
        state.optimiser.step()
        features = torch.stack([each.features for each in batch]).float().permute(0, 3, 1, 2)
        logits = F.interpolate(convolution(norm(features)), size=(16, 24), mode="bilinear", align_corners=False)
        other.zero_grad()
        labels = torch.stack([each.truth for each in batch])
        torch.autograd.backward(F.cross_entropy(logits, labels, ignore_index=-1))
        other.step()
    torch.testing.assert_close(state.head.weight, convolution.weight[:, :, 0, 0].detach(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(state.head.scale, norm.weight.detach(), rtol=1e-3, atol=1e-4)
    expected = norm.running_mean, norm.running_var
    for ours, theirs in zip((state.head.mean, state.head.variance), expected, strict=True):
        assert theirs is not None
        torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.4)  # theirs still holds 4 % of its start


def test_running_statistics_do_not_remember_their_start() -> None:
    head = new_head(DIM, CLASSES, 0, "cpu")
    batch = batches()[0]
    with unit_pool("cpu", 1) as run, torch.no_grad():
        set_gradients(head, batch, TARGET, 0, run)
    features = torch.stack([each.features for each in batch]).float().flatten(0, 2)
    torch.testing.assert_close(head.mean, features.mean(0))
    torch.testing.assert_close(head.variance, features.var(0))


@pytest.mark.parametrize("threads", [2, 3])
def test_gradients_are_the_same_bits_for_any_number_of_threads(threads: int) -> None:
    heads = [new_head(DIM, CLASSES, 0, "cpu") for _ in range(2)]
    for head, count in zip(heads, (1, threads), strict=True):
        with unit_pool("cpu", count) as run, torch.no_grad():
            set_gradients(head, batches(5)[0], TARGET, 0, run)
    for one, several in zip(heads[0].weights, heads[1].weights, strict=True):
        assert one.grad is not None and several.grad is not None and torch.equal(one.grad, several.grad)


def test_windows_without_any_label_change_nothing() -> None:
    head = new_head(DIM, CLASSES, 0, "cpu")
    batch = [WindowData(each.features, torch.full_like(each.truth, -1)) for each in batches()[0]]
    with unit_pool("cpu", 1) as run, torch.no_grad():
        set_gradients(head, batch, TARGET, 0, run)
    assert all(float(weight.grad.abs().sum()) == 0 for weight in head.weights if weight.grad is not None)


def test_a_state_from_disk_makes_the_same_steps() -> None:
    state = state_with(new_head(DIM, CLASSES, 0, "cpu"), 0.01)

    def step(each: Any, batch: list[WindowData]) -> None:
        with unit_pool("cpu", 1) as run, torch.no_grad():
            set_gradients(each.head, batch, TARGET, each.steps, run)
        each.optimiser.step()
        each.steps += 1

    for batch in batches()[:3]:
        step(state, batch)
    kept = state.arrays()  # which later steps must not change
    step(state, batches()[3])
    again = state_of(kept, 0.01, "cpu")
    step(again, batches()[3])
    for name, array in state.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])
    features = torch.randn(2, 3, 3, DIM)
    assert torch.equal(head_of(state.head.arrays(), "cpu").logits(features), state.head.logits(features))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    windows = [Window(row, 0) for row in range(20)]
    orders = {tuple(shuffled(windows, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert all(sorted(order, key=lambda window: window.row) == windows for order in orders)
    assert shuffled(windows, 1, 2) == shuffled(windows, 1, 2)


@pytest.mark.parametrize("steps", [1, 2, 7, 40, 1000])
def test_the_rate_rises_to_the_highest_and_never_reaches_zero(steps: int) -> None:
    rates = [rate_of(step, steps, 2.0) for step in range(steps)]
    assert max(rates) == 2.0 and min(rates) > 0
    assert rates[-1] < 2.0 or steps < 3

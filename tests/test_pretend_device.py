"""The pretend device against small programs of which it is known what they do on CUDA."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pretend_device import Report, by_line, pretend_device
from torch.nn.attention import SDPBackend, sdpa_kernel

Program = Callable[[torch.Tensor], Any]

WAITING: dict[str, Program] = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x[0, 0]),
    "condition": lambda x: bool((x > 0).any()),
    "tolist": lambda x: x[0].tolist(),
    "to the host": lambda x: x.cpu(),
    "nonzero": lambda x: torch.nonzero(x > 0),
    "boolean index": lambda x: x[x > 0],
    "boolean assignment of several values": lambda x: x.clone().__setitem__(x > 0, torch.ones(8, device="cuda")),
    "unique": lambda x: x.unique(),
    "equal": lambda x: torch.equal(x, x),
    "bincount": lambda x: torch.bincount((x > 0).long().flatten()),
    "repeats of unknown sum": lambda x: torch.repeat_interleave(torch.ones(4, dtype=torch.int64, device="cuda")),
    "isin of many": lambda x: torch.isin(x, x.repeat(9, 1)),
    "synchronize": lambda x: torch.cuda.synchronize(),
    "copy into the host": lambda x: torch.empty(4, 4).copy_(x),
}
UPLOADING: dict[str, Program] = {
    "to": lambda x: torch.ones(2).to("cuda"),
    "to a tensor's device": lambda x: torch.ones(2).to(x),
    "tensor of numbers": lambda x: torch.tensor([1.0], device="cuda"),
    "tensor of an array": lambda x: torch.as_tensor(np.ones(2, np.float32), device=x.device),
    "new tensor": lambda x: x.new_tensor([1.0]),
    "list as an index": lambda x: x[[0, 1]],
    "index of the host": lambda x: x[torch.tensor([0, 1])],
    "not pinned": lambda x: torch.ones(2).to("cuda", non_blocking=True),
}
FREE: dict[str, Program] = {
    "arithmetic": lambda x: (x @ x.T + 1).softmax(-1).amax(1),
    "made there": lambda x: torch.zeros(3, device="cuda") + torch.arange(3, device=x.device),
    "slices": lambda x: x[1:, :2] * x[0, 0],
    "assigned numbers": lambda x: x.clone().__setitem__(slice(1), 3.0),
    "filled by a mask": lambda x: x.clone().__setitem__(x > 0, 0.0),
    "index of the device": lambda x: x[torch.arange(2, device="cuda")],
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "number of the host": lambda x: x * torch.tensor(2.0),
    "repeats of known sum": lambda x: torch.repeat_interleave(
        torch.ones(4, dtype=torch.int64, device="cuda"), output_size=4
    ),
    "already there": lambda x: x.to("cuda").to(x.dtype).cuda(),
    "few compared": lambda x: torch.isin(x, x[0]),
    "pinned": lambda x: torch.ones(2).pin_memory().to("cuda", non_blocking=True),
}
MIXING: dict[str, Program] = {
    "sum": lambda x: x + torch.ones(4),
    "product": lambda x: x @ torch.ones(4, 4),
    "joined": lambda x: torch.cat([x, torch.ones(1, 4)]),
    "host by device": lambda x: torch.ones(4)[torch.arange(2, device="cuda")],
    "assigned": lambda x: x.clone().__setitem__(x > 0, torch.ones(16)),
    "attention": lambda x: F.scaled_dot_product_attention(x[None], torch.ones(1, 4, 4), x[None]),
}


def ran(program: Program) -> Report:
    with pretend_device() as report:
        x = torch.linspace(-1, 1, 16).view(4, 4).to("cuda")
        report.clear()
        program(x)
    return report


@pytest.mark.parametrize("name", WAITING)
def test_waiting_is_counted_at_its_line(name: str) -> None:
    found = ran(WAITING[name])
    assert sum(found.synchronisations.values()) >= 1
    assert all(event.line.startswith("tests/test_pretend_device.py:") for event in found.synchronisations)


@pytest.mark.parametrize("name", UPLOADING)
def test_copies_to_the_device_that_wait_are_counted(name: str) -> None:
    found = ran(UPLOADING[name])
    assert sum(found.uploads.values()) == 1 and not found.synchronisations


@pytest.mark.parametrize("name", FREE)
def test_what_does_not_wait_is_not_counted(name: str) -> None:
    found = ran(FREE[name])
    assert not found.stalls, by_line(found.stalls)
    assert sum(found.queued_uploads.values()) == (name == "pinned")


@pytest.mark.parametrize("name", MIXING)
def test_two_devices_in_one_operation_are_refused(name: str) -> None:
    with pytest.raises(RuntimeError, match="device"):
        ran(MIXING[name])


def test_numpy_needs_a_copy() -> None:
    with pretend_device(), pytest.raises(TypeError, match="cpu"):
        torch.ones(2, device="cuda").numpy()
    with pretend_device(), pytest.raises(TypeError, match="cpu"):
        np.asarray(torch.ones(2, device="cuda"))


def test_values_of_lists_and_new_tensors_arrive() -> None:
    with pretend_device():
        x = torch.arange(4.0, device="cuda")
        assert x[[3, 1]].tolist() == [3, 1] and x[np.array([2])].tolist() == [2]
        assert x.new_tensor([5]).tolist() == [5]
        x[[0]] = 7.0
        assert x.tolist() == [7, 1, 2, 3]


def test_a_module_is_trained_with_the_bits_of_the_cpu_after_other_trainings() -> None:
    torch.manual_seed(0)
    module = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    inputs = torch.randn(2, 5, 16)
    there = deepcopy(module)
    _step(module, inputs)
    with pretend_device() as report:
        there = deepcopy(there.to("cuda"))
        assert {parameter.device.type for parameter in there.parameters()} == {"cuda"}
        _step(there, inputs.to("cuda"))
        assert all(map(torch.equal, module.parameters(), (parameter.cpu() for parameter in there.parameters())))
        assert {event.what for event in report.unordered} == {"_scaled_dot_product_flash_attention_for_cpu_backward"}


def _step(module: torch.nn.Module, inputs: torch.Tensor) -> None:
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.1, fused=True)
    module(inputs).square().mean().backward()
    optimiser.step()


def test_inference_mode_is_no_exception() -> None:
    with pretend_device() as report, torch.inference_mode():
        x = torch.ones(4, 4).to("cuda")
        product = (x @ x).add_(1)
        product[0] = 2.0
        assert product.device.type == "cuda" and type(product.cpu()) is torch.Tensor
        assert product.to("cpu").numpy().sum() == 68
        assert sum(report.synchronisations.values()) == 2 and sum(report.uploads.values()) == 1


def test_autocast_follows_the_rules_of_cuda() -> None:
    with pretend_device(), torch.autocast("cuda", torch.bfloat16):
        x = torch.randn(4, 8, device="cuda", requires_grad=True)
        lower = [x @ x.T, F.linear(x, x), torch.einsum("ab,cb->ac", x, x), F.scaled_dot_product_attention(x, x, x)]
        assert {each.dtype for each in lower} == {torch.bfloat16}
        half = lower[0]
        full = [half.softmax(-1), half.log_softmax(-1), F.layer_norm(half, (4,)), half.exp(), half.sum(), half.norm()]
        assert {each.dtype for each in full} == {torch.float32}
        assert (half + half).dtype == half.relu().dtype == torch.bfloat16
        assert torch.addcmul(half, half, x[:, :4]).dtype == torch.float32
        sum(each.float().sum() for each in (*lower, *full)).backward()
        assert x.grad is not None and x.grad.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


def test_float64_and_sums_without_an_order_are_noted() -> None:
    def program(x: torch.Tensor) -> None:
        x.double().sum()
        rows = torch.zeros(4, dtype=torch.int64, device="cuda")
        torch.zeros(4, 4, device="cuda").index_add_(0, rows, x)
        torch.zeros(4, dtype=torch.int64, device="cuda").scatter_add_(0, rows, rows)
        torch.zeros(4, 4, device="cuda").scatter_reduce_(0, rows[None].expand(4, -1), x, "amax")

    found = ran(program)
    assert {event.what for event in found.float64} == {"_to_copy", "sum"}
    assert {event.what for event in found.unordered} == {"index_add_"}


def test_attention_is_noted_with_the_kernels_that_may_be_chosen() -> None:
    def program(x: torch.Tensor) -> None:
        F.scaled_dot_product_attention(x, x, x)
        with sdpa_kernel(SDPBackend.MATH):
            F.scaled_dot_product_attention(x, x, x, x > 0)

    found = ran(program)
    assert sorted(call.kernels for call in found.attention) == [("flash", "efficient", "cudnn", "math"), ("math",)]


def test_memory_is_counted_once_for_views_and_given_back() -> None:
    with pretend_device(capacity=3000) as report:
        x = torch.zeros(256, device="cuda")
        views = [x.view(16, 16), x[3:]]
        assert report.memory.allocated == torch.cuda.memory_allocated() == 1024
        both = x + 1
        assert report.memory.allocated == 2048
        with pytest.raises(torch.OutOfMemoryError):
            torch.cat([x, both])
        del x, views
        gc.collect()
        assert report.memory.allocated == 1024 and torch.cuda.max_memory_allocated() == 2048


def test_threads_are_inside() -> None:
    made: list[str] = []

    def work() -> None:
        made.append(torch.zeros(1, device="cuda").device.type)
        made.append(torch.ones(1).to("cuda").device.type)

    with pretend_device() as report:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert made == ["cuda", "cuda"] and sum(report.uploads.values()) == 1


def test_torch_is_as_before_afterwards() -> None:
    watched = [
        *((torch, "clear_autocast_cache"), (F, "scaled_dot_product_attention"), (threading.Thread, "run")),
        *((torch.Tensor, "pin_memory"), (torch.cuda, "is_available"), (torch.cuda, "Event"), (torch.cuda, "stream")),
    ]
    before = [getattr(place, name) for place, name in watched]
    with pretend_device():
        left = torch.ones(2, device="cuda")
        with pytest.raises(RuntimeError, match="already"), pretend_device():
            pass
        assert torch.cuda.is_available()
    assert [getattr(place, name) for place, name in watched] == before
    assert not torch.__future__.get_overwrite_module_params_on_conversion()
    with pytest.raises(RuntimeError, match="closed"):
        left + 1
    moved = torch.nn.Linear(2, 2).double()
    assert type(moved.weight.data) is torch.Tensor and moved.weight.device.type == "cpu"

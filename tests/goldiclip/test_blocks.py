"""Sums over blocks: gradients of all that a block uses, also in mixed precision, and the memory of one block."""

from __future__ import annotations

import pytest
import torch
from live_memory import LiveMemory
from objective_cases import vectors
from torch import nn

from goldieval.goldiclip.data.draws import row_width
from goldieval.goldiclip.objectives import blocks, contrastive
from goldieval.goldiclip.objectives.blocks import recomputed, summed
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid
from goldieval.goldiclip.objectives.contrastive import softmax_contrastive
from goldieval.goldiclip.pooling import TextConditionedPool

N, D = 7, 8


def squares(layer: nn.Module, rows: torch.Tensor, shared: torch.Tensor, block: int) -> torch.Tensor:
    """Sum of (row number + layer(rows) * shared) squared."""

    def of_block(start: int, part: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
        number = torch.arange(start, start + len(part))[:, None]
        return (number + layer(part).float() * shared).square().sum()

    return summed(of_block, (rows,), (shared,), tuple(layer.parameters()), block=block)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("block", [1, 3, N, 100])
def test_rows_shared_tensors_and_parameters_get_their_gradients(block: int, autocast: bool) -> None:
    """In bfloat16 too, where torch keeps copies of weights from block to block."""
    layer, rows, shared = nn.Linear(D, D), vectors(N, D).requires_grad_(), vectors(D, seed=1).requires_grad_()
    inputs = [rows, shared, *layer.parameters()]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        ours = 2 * squares(layer, rows, shared, block)
        numbers = torch.arange(N)[:, None]
        plain = 2 * (numbers + layer(rows).float() * shared).square().sum()
    tolerance = 2e-2 if autocast else 1e-5
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=0)
    for mine, expected in zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(plain, inputs), strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, expected, rtol=tolerance, atol=tolerance * float(expected.abs().max()))


def test_half_precision_rows_get_half_precision_gradients_added_up_in_float32() -> None:
    """A sum in bfloat16 would stop at 256."""
    rows, shared = torch.ones(1000, 1, dtype=torch.bfloat16), torch.ones(1, dtype=torch.bfloat16, requires_grad=True)
    total = summed(lambda start, part, shared: (part.float() * shared.float()).sum(), (rows,), (shared,), block=1)
    (gradient,) = torch.autograd.grad(total, shared)
    assert gradient.dtype == torch.bfloat16 and float(gradient) == 1000


def test_without_gradients_nothing_is_differentiated(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, rows, shared = nn.Linear(D, D), vectors(N, D).requires_grad_(), vectors(D, seed=1)
    expected = squares(layer, rows, shared, 3).detach()
    monkeypatch.setattr(torch.autograd, "grad", None)
    with torch.no_grad():
        assert torch.equal(squares(layer, rows, shared, 3), expected)
    assert not squares(layer.requires_grad_(False), rows.detach(), shared, 3).requires_grad


def test_what_does_not_require_a_gradient_gets_none() -> None:
    layer, rows, shared = nn.Linear(D, D).requires_grad_(False), vectors(N, D), vectors(D, seed=1).requires_grad_()
    squares(layer, rows, shared, 3).backward()
    assert rows.grad is None and shared.grad is not None and layer.weight.grad is None


def test_a_parameter_that_no_block_uses_gets_none() -> None:
    unused, rows = nn.Parameter(torch.ones(2)), vectors(N, D).requires_grad_()
    summed(lambda start, part: part.sum(), (rows,), (), (unused,), block=3).backward()
    assert unused.grad is None and rows.grad is not None


def test_sums_in_sums() -> None:
    """A block may be a sum over blocks itself, as tiles of images and captions are."""
    left, right = vectors(N, D).requires_grad_(), vectors(5, D, seed=1).requires_grad_()

    def of_rows(start: int, rows: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return summed(lambda place, columns, rows: (rows @ columns.T).exp().sum(), (right,), (rows,), block=2)

    ours, plain = summed(of_rows, (left,), (right,), block=3), (left @ right.T).exp().sum()
    torch.testing.assert_close(ours, plain)
    for mine, expected in zip(*(torch.autograd.grad(loss, [left, right]) for loss in (ours, plain)), strict=True):
        torch.testing.assert_close(mine, expected)


def test_recomputed_blocks_equal_one_pass_and_keep_no_activations() -> None:
    layer, rows = nn.Sequential(nn.Linear(D, 64 * D), nn.GELU(), nn.Linear(64 * D, D)), vectors(N, D).requires_grad_()
    with LiveMemory() as memory:
        ours = recomputed(layer, (rows,), block=3)
    assert memory.live < 4 * N * 64 * D
    plain, inputs = layer(rows), [rows, *layer.parameters()]
    torch.testing.assert_close(ours, plain)
    found = [torch.autograd.grad(each.square().sum(), inputs) for each in (ours, plain)]
    for mine, expected in zip(*found, strict=True):
        torch.testing.assert_close(mine, expected)


# Memory, by shapes


def on_meta(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta", requires_grad=True)


def test_softmax_over_32768_images_stays_within_450_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64 GPUs with 512 images and ten captions each, in float32; a table alone would take 64 MiB for each caption,
    and the captions of all processes 640 MiB."""
    monkeypatch.setattr(contrastive, "all_rows", lambda rows: rows.new_empty(32768, *rows.shape[1:]))
    monkeypatch.setattr(contrastive, "summed_share", lambda rows: rows.new_empty(512, *rows.shape[1:]))
    with LiveMemory() as memory:
        softmax_contrastive(on_meta(512, 1, 512), on_meta(512, 10, 512), on_meta(), first=512)
    assert memory.peak < 450 * 2**20


def conditioned(images: int, columns: int, dim: int, patches: int) -> LiveMemory:
    pool, draws = TextConditionedPool(dim, 8).to("meta"), torch.empty(images, row_width(columns), device="meta").byte()
    inputs = (on_meta(images, patches, dim), on_meta(images, 2, dim), on_meta(columns, 2, dim))
    with LiveMemory() as memory:
        loss = conditioned_sigmoid(pool, *inputs, draws, on_meta(), on_meta())
        torch.autograd.grad(loss, inputs)
    return memory


def test_no_tensor_of_the_conditioned_loss_has_more_elements_than_32_bits_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The queries of 1,024 images for 8,192 captions are 4.3e9 numbers; here with blocks 8 times as large as ours."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 8 * blocks.BLOCK_BYTES)
    assert conditioned(1024, 8192, 512, 9).elements < 2**31


def test_memory_of_the_conditioned_loss_is_that_of_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its inputs and their gradients, it stays where there are 4 times as many pairs."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 2**20)
    peaks = []
    for images in (16, 32):
        gradients = 4 * 64 * (images * (9 + 2) + 2 * 4 * images * 2)
        peaks.append(conditioned(images, 4 * images, 64, 9).peak - gradients)
    assert peaks[1] < 1.6 * peaks[0] and peaks[1] < 4 * 2**20

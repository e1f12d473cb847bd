"""Simulated steps against real ones, and what a simulation of several processes adds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support import goldilocks_parts as parts
from support.tiny_simulations import recipe_of

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.memory.measured import measured
from goldieval.goldiclip.memory.simulation import simulated
from goldieval.goldiclip.memory.typical import typical_batch
from goldieval.goldiclip.recipe_losses import Teacher

TOLERANCE = 0.01  # of the peak; an allocator also has what kernels use while they run


@pytest.mark.parametrize(
    ("batch_size", "changes"),
    [
        (16, {}),
        (16, {"micro_batches": 4}),
        (16, {"checkpointing": 1.0}),
        (16, {"data": {"redraw": 0.5, "jitter": 0.5}}),
        (16, {"data": {"jitter": 0.5}}),
        (24, {"micro_batches": 2, "checkpointing": 0.5}),
    ],
)
def test_a_simulated_peak_is_that_of_a_real_step(batch_size: int, changes: dict[str, Any]) -> None:
    recipe = recipe_of(batch_size, **changes)
    assert simulated(recipe, device="cpu").bytes == pytest.approx(measured(recipe), rel=TOLERANCE)


def test_a_simulated_peak_knows_scales_heads_and_patches_that_are_classified() -> None:
    objectives = {"sigmoid": 1.0, "token_classes": 1.0, **parts.DISTILLATION}
    recipe = recipe_of(16).model_copy(update={"teacher": Teacher(**parts.TEACHER), "objectives": objectives})
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update=parts.MODEL)})
    assert simulated(recipe, device="cpu").bytes == pytest.approx(measured(recipe), rel=TOLERANCE)


def test_settings_that_trade_time_for_memory_do() -> None:
    plain, parts, again = (
        simulated(recipe_of(64, "bf16", **settings), 2)
        for settings in ({}, {"micro_batches": 8}, {"checkpointing": 1.0})
    )
    assert parts.bytes < 0.7 * plain.bytes
    assert again.bytes < 0.9 * plain.bytes
    assert plain.flops < again.flops < 1.5 * plain.flops
    assert plain.flops < parts.flops < 1.5 * plain.flops


def test_mixed_precision_halves_activations_and_leaves_weights() -> None:
    full, half = (simulated(recipe_of(64, precision)) for precision in ("no", "bf16"))
    assert half.peak["weights"] == full.peak["weights"]
    assert 0.4 < half.peak["captions"] / full.peak["captions"] < 0.8
    assert half.flops == full.flops


def test_a_step_of_several_processes_sends_and_waits_once() -> None:
    alone, one_of_two = simulated(recipe_of(16, "bf16")), simulated(recipe_of(32, "bf16"), 2)
    assert (alone.sent, alone.reads, one_of_two.reads) == (0, 1, 1)
    weights = alone.peak["weights"]
    assert one_of_two.peak["gradients in transit (DDP)"] == pytest.approx(weights, rel=0.02)
    assert weights < one_of_two.sent < 2 * weights  # each gradient once, and rows of features
    assert not torch.distributed.is_initialized()


def test_longer_captions_need_more() -> None:
    usual, longest = (simulated(recipe_of(), long=long) for long in (False, True))
    assert longest.bytes > usual.bytes
    assert longest.caption_length == recipe_of().model.context_length > usual.caption_length


def test_a_typical_batch_has_what_a_recipe_asks_for() -> None:
    batch = typical_batch(recipe_of(32), processes=4)
    assert len(batch) == 8
    assert batch.images.local().shape == (8, 2, 3, 16, 16)
    assert batch.captions.ids.shape[:2] == (8, 3)
    assert batch.has_questions


def test_a_batch_that_cannot_be_shared_is_one_line() -> None:
    with pytest.raises(GoldievalError, match="cannot be shared among 3 processes"):
        simulated(recipe_of(16), 3)
    assert not torch.distributed.is_initialized()

"""Patch tokens of the pictures of a task. They are too large to store: each rank keeps those that it encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from goldieval.core.errors import AdapterError, TaskError
from goldieval.core.group import share
from goldieval.families.base import TaskRun
from goldieval.families.shared_work import leave_out_failed, model_threads, model_units
from goldieval.models.adapter import TextConditioned
from goldieval.models.inputs import batches, decoded, sound, stacked
from goldieval.scoring.blocks import PatchBlocks

Batch = list[tuple[str, torch.Tensor | OSError | TaskError]]  # content key and input of each picture


def patch_blocks(run: TaskRun[Any], model: TextConditioned) -> PatchBlocks:
    """Encode the readable pictures; every batch of content keys is a block, whatever the number of ranks.

    Args:
        run: the task; unreadable pictures are left out of it.
        model: encodes patch tokens.

    Raises:
        TaskError: too many pictures are unreadable, or tokens are NaN or infinite.
        AdapterError: the model's output has another shape than it must have.
    """
    planned = list(batches([key for key in run.keys if key], run.batching.images))
    own: dict[int, torch.Tensor] = {}
    failed: dict[str, str] = {}

    def encode(batch: tuple[int, Batch]) -> torch.Tensor | None:
        usable = sound([pixels for _, pixels in batch[1] if not isinstance(pixels, OSError)])
        return _checked_tokens(model.patch_tokens(stacked(usable)), len(usable)) if usable else None

    mine = list(share(planned, run.group))
    with (
        run.working("encode_patches", "encoding patches of images", sum(len(keys) for _, keys in mine)) as meter,
        ThreadPoolExecutor(run.batching.workers) as pool,
    ):
        for (number, batch), tokens in model_units(run, encode, _decoded_batches(run, model, mine, pool)):
            failed |= {key: str(error) for key, error in batch if isinstance(error, OSError)}
            if tokens is not None:
                own[number] = tokens.to(run.device)
            meter.advance(len(batch))
    failed = leave_out_failed(run, failed)
    _check_finite(run, own)
    sizes = [sum(key not in failed for key in keys) for keys in planned]
    return PatchBlocks(sizes, own, torch.device(run.device), run.group, model_threads(model))


def _decoded_batches(
    run: TaskRun[Any], model: TextConditioned, mine: Sequence[tuple[int, list[str]]], pool: ThreadPoolExecutor
) -> Iterator[tuple[int, Batch]]:
    """Yield number and inputs of each batch of this rank; threads decode ahead over the borders of batches."""
    stream = decoded(model, [key for _, keys in mine for key in keys], run.sources, pool)
    for number, keys in mine:
        yield number, [next(stream) for _ in keys]


def _checked_tokens(tokens: torch.Tensor, count: int) -> torch.Tensor:
    """Return patch tokens as float32. Raises AdapterError unless their shape is (count, patches, dim)."""
    if tokens.ndim != 3 or len(tokens) != count:
        raise AdapterError(f"patch_tokens() must return ({count}, patches, dim); it returned {tuple(tokens.shape)}.")
    return tokens.float()


def _check_finite(run: TaskRun[Any], own: dict[int, torch.Tensor]) -> None:
    """Raise TaskError with the number of images of all ranks whose tokens contain NaN or infinite values."""
    here = sum(int((~torch.isfinite(tokens)).flatten(1).any(1).sum()) for tokens in own.values())
    bad = sum(run.group.all_gather(here))
    if bad:
        raise TaskError(f"{bad:,} of {len(run.keys):,} patch embeddings hold NaN or infinite values.")

"""Patch tokens of the pictures of a task. They are too large to store: each rank keeps its own, on the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import torch

from goldieval.core.errors import AdapterError, TaskError
from goldieval.core.group import share
from goldieval.core.transfers import Download, download
from goldieval.families.base import TaskRun
from goldieval.families.shared_work import leave_out_failed, model_threads, model_units
from goldieval.models.adapter import TextConditioned
from goldieval.models.inputs import batches, decoded, sound, stacked
from goldieval.scoring.blocks import PatchBlocks

Batch = list[tuple[str, torch.Tensor | OSError | TaskError]]  # content key and input of each picture

T = TypeVar("T")


class Encoded(NamedTuple):
    """A batch of pictures on its way to the host.

    Attributes:
        tokens: patch tokens, float32, bfloat16 or float16, shape (pictures, patches, dim).
        unsound: number of pictures whose tokens contain NaN or infinite values.
    """

    tokens: Download
    unsound: Download


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
    unsound = 0
    failed: dict[str, str] = {}

    def encode(batch: tuple[int, Batch]) -> Encoded | None:
        usable = sound([pixels for _, pixels in batch[1] if not isinstance(pixels, OSError)])
        return _encoded(model, stacked(usable)) if usable else None

    mine = list(share(planned, run.group))
    with (
        run.working("encode_patches", "encoding patches of images", sum(len(keys) for _, keys in mine)) as meter,
        ThreadPoolExecutor(run.batching.workers) as pool,
    ):
        computed = model_units(run, encode, _decoded_batches(run, model, mine, pool))
        for (number, batch), encoded in _one_behind(computed):
            failed |= {key: str(error) for key, error in batch if isinstance(error, OSError)}
            if encoded is not None:
                own[number] = encoded.tokens.kept()
                unsound += int(encoded.unsound.tensor())
            meter.advance(len(batch))
    failed = leave_out_failed(run, failed)
    _check_finite(run, unsound)
    sizes = [sum(key not in failed for key in keys) for keys in planned]
    return PatchBlocks(sizes, own, torch.device(run.device), run.group, model_threads(model))


def _one_behind(items: Iterator[T]) -> Iterator[T]:
    """Yield each item when the next one has been started: its results are then copied while the next are computed."""
    before: list[T] = []
    for item in items:
        yield from before
        before = [item]
    yield from before


def _decoded_batches(
    run: TaskRun[Any], model: TextConditioned, mine: Sequence[tuple[int, list[str]]], pool: ThreadPoolExecutor
) -> Iterator[tuple[int, Batch]]:
    """Yield number and inputs of each batch of this rank; threads decode ahead over the borders of batches."""
    stream = decoded(model, [key for _, keys in mine for key in keys], run.sources, pool)
    for number, keys in mine:
        yield number, [next(stream) for _ in keys]


def _encoded(model: TextConditioned, pixels: torch.Tensor) -> Encoded:
    """Encode a batch. Raises AdapterError unless the tokens have shape (images, patches, dim)."""
    tokens = model.patch_tokens(pixels)
    if tokens.ndim != 3 or len(tokens) != len(pixels):
        raise AdapterError(
            f"patch_tokens() must return ({len(pixels)}, patches, dim); it returned {tuple(tokens.shape)}."
        )
    if tokens.dtype not in (torch.bfloat16, torch.float16):  # half as many bytes, exact in float32
        tokens = tokens.float()
    return Encoded(download(tokens), download((~torch.isfinite(tokens)).flatten(1).any(1).sum()))


def _check_finite(run: TaskRun[Any], here: int) -> None:
    """Raise TaskError with the number of images of all ranks whose tokens contain NaN or infinite values."""
    bad = sum(run.group.all_gather(here))
    if bad:
        raise TaskError(f"{bad:,} of {len(run.keys):,} patch embeddings hold NaN or infinite values.")

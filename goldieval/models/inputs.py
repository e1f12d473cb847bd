"""Pictures of a task as inputs of an image tower: decoded and preprocessed by threads, and stacked to batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from goldieval.core.containment import contained
from goldieval.core.errors import AdapterError, TaskError
from goldieval.data.samples import ImageSource
from goldieval.models.adapter import ImagePreprocessor

if TYPE_CHECKING:
    import torch

DECODED_AHEAD = 256  # pictures that threads decode while the tower works

T = TypeVar("T")


@dataclass(frozen=True)
class Batching:
    """How the towers of a model are fed.

    Attributes:
        images: pictures in a batch.
        texts: texts in a batch.
        workers: threads that read and decode pictures.
    """

    images: int = 64
    texts: int = 128
    workers: int = os.cpu_count() or 1


def decoded(
    model: ImagePreprocessor, keys: Sequence[str], sources: Mapping[str, ImageSource], pool: ThreadPoolExecutor
) -> Iterator[tuple[str, torch.Tensor | OSError | TaskError]]:
    """Yield each picture as an input of the image tower, or the error that it caused.

    Args:
        model: its ``preprocess`` is used.
        keys: content keys of the pictures, in order.
        sources: where the pictures come from, by content key.
        pool: threads that decode ahead.

    Yields:
        Content key and input. An OSError is a fault of the picture, a TaskError one of the model's ``preprocess``.
    """

    def prepare(key: str) -> torch.Tensor | OSError | TaskError:
        try:
            picture = sources[key].open()
        except OSError as error:
            return error
        try:
            with contained("preprocessing it"):
                return model.preprocess(picture)
        except TaskError as error:
            return error

    for start in range(0, len(keys), DECODED_AHEAD):
        part = keys[start : start + DECODED_AHEAD]
        yield from zip(part, pool.map(prepare, part), strict=True)


def sound(inputs: Sequence[torch.Tensor | TaskError]) -> list[torch.Tensor]:
    """Return the inputs.

    Raises:
        TaskError: the first that ``preprocess`` raised for one of them.
    """
    for pixels in inputs:
        if isinstance(pixels, TaskError):
            raise pixels
    return [pixels for pixels in inputs if not isinstance(pixels, TaskError)]


def stacked(inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return inputs of the image tower as one batch, shape (inputs, channels, height, width).

    Raises:
        AdapterError: ``preprocess`` returned something else than tensors of one shape.
    """
    import torch

    other = next((pixels for pixels in inputs if not isinstance(pixels, torch.Tensor)), None)
    if other is not None:
        raise AdapterError(f"preprocess() must return a tensor; it returned {type(other).__name__}.")
    shapes = dict.fromkeys(tuple(pixels.shape) for pixels in inputs)
    if len(shapes) > 1:
        raise AdapterError(f"preprocess() must give all pictures one shape; it gave {' and '.join(map(str, shapes))}.")
    return torch.stack(list(inputs))


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of ``size`` items, the last one with the rest."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch

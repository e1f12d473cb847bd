"""Images of a task as inputs of an image tower: decoded and preprocessed in threads, and stacked to batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from goldieval.core.containment import contained
from goldieval.core.environment import available_cores
from goldieval.core.errors import AdapterError, TaskError
from goldieval.data.image_source import ImageSource
from goldieval.models.adapter import ImagePreprocessor

if TYPE_CHECKING:
    import torch

DECODED_AHEAD = 256  # images that threads decode while the tower works

T = TypeVar("T")


@dataclass(frozen=True)
class Batching:
    """Batch sizes and threads.

    Attributes:
        images: Images per batch.
        texts: Texts per batch.
        workers: Threads that read and decode images.
    """

    images: int = 64
    texts: int = 128
    workers: int = available_cores()


def decoded(
    model: ImagePreprocessor, keys: Sequence[str], sources: Mapping[str, ImageSource], pool: ThreadPoolExecutor
) -> Iterator[tuple[str, torch.Tensor | OSError | TaskError]]:
    """Yield each image as an input of the image tower, or the error that it caused.

    Args:
        model: The model, whose ``preprocess`` is called.
        keys: Content keys of the images, in order.
        sources: Sources of the images by content key.
        pool: Threads that decode ahead.

    Yields:
        Content key and input. An OSError is an error of the image, a TaskError one of the model's ``preprocess``.
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
        TaskError: The first error that ``preprocess`` raised for one of them.
    """
    for pixels in inputs:
        if isinstance(pixels, TaskError):
            raise pixels
    return [pixels for pixels in inputs if not isinstance(pixels, TaskError)]


def stacked(inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return inputs of the image tower as one batch, shape (inputs, channels, height, width).

    Raises:
        AdapterError: ``preprocess`` did not return tensors of one shape.
    """
    import torch

    other = next((pixels for pixels in inputs if not isinstance(pixels, torch.Tensor)), None)
    if other is not None:
        raise AdapterError(f"preprocess() must return a tensor; it returned {type(other).__name__}.")
    shapes = dict.fromkeys(tuple(pixels.shape) for pixels in inputs)
    if len(shapes) > 1:
        raise AdapterError(f"preprocess() must give all images one shape; it gave {' and '.join(map(str, shapes))}.")
    return torch.stack(list(inputs))


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of ``size`` items, with the rest in the last one."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch

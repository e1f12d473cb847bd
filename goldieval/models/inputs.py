"""Images of a task as inputs of an image tower: decoded and preprocessed in threads, and stacked to batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from goldieval.core.environment import available_cores
from goldieval.core.errors import AdapterError, TaskError
from goldieval.core.threads import batches_ahead
from goldieval.data.image_source import ImageSource
from goldieval.models.adapter import ImagePreprocessor
from goldieval.models.decoders import Pixels, Threads

if TYPE_CHECKING:
    import torch

DECODED_AHEAD = 256  # images that are decoded, or being decoded, while the tower works; 150 MB at 224 x 224 pixels

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
    model: ImagePreprocessor,
    keys: Iterable[str],
    sources: Mapping[str, ImageSource],
    pool: Executor,
    ahead: int = DECODED_AHEAD,
) -> Iterator[tuple[str, Pixels]]:
    """Yield each image as an input of the image tower, or the error that it caused, while others are decoded ahead.

    Args:
        model: The model, whose ``preprocess`` is called.
        keys: Content keys of the images, in order.
        sources: Sources of the images by content key.
        pool: Threads that decode ahead.
        ahead: Number of images to decode while the consumer works on one.

    Yields:
        Content key and input. An OSError is an error of the image, a TaskError one of the model's ``preprocess``.
    """
    decoders = Threads(model.preprocess, pool)
    singly = ((key, [(key, sources[key])]) for key in keys)
    yield from ((key, pixels) for key, (pixels,) in batches_ahead(decoders.submit, singly, ahead))


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

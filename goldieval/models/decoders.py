"""Decoding of images ahead of the image tower: by threads, or by processes where threads stop to scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.data.image_source import ImageSource, open_planned
from goldieval.models.adapter import ImagePreprocessor

if TYPE_CHECKING:
    import torch
    from PIL import Image

# Threads decode at most about five times as fast as one, see ``decoding_processes``; processes pay beyond that, and for
# a number of images whose decoding takes longer than the start of the processes (about 5 s).
PROCESSES_FROM = 6
IMAGES_FROM = 2_000

Pixels: TypeAlias = "torch.Tensor | OSError | TaskError"
Preprocess: TypeAlias = "Callable[[Image.Image], torch.Tensor]"


class Decoders(Protocol):
    """What turns images into inputs of an image tower while the caller does something else."""

    def submit(self, images: Sequence[tuple[str, ImageSource]]) -> Sequence[Future[Pixels]]:
        """Start the work on images, given their content keys and sources; return one future for each, in order."""


class Threads:
    """Decoders in the threads of a pool."""

    def __init__(self, preprocess: Preprocess, pool: Executor) -> None:
        """Decode in a pool.

        Args:
            preprocess: The model's preprocessing.
            pool: The threads.
        """
        self._preprocess, self._pool = preprocess, pool

    def submit(self, images: Sequence[tuple[str, ImageSource]]) -> list[Future[Pixels]]:
        return [self._pool.submit(prepared, self._preprocess, key, source) for key, source in images]


@contextmanager
def decoding(model: ImagePreprocessor, workers: int, images: int) -> Iterator[Decoders]:
    """Yield decoders for the images of a model: processes if there are many workers and images, else threads.

    Args:
        model: The model, whose ``preprocess`` is called.
        workers: Number of threads or processes.
        images: Number of images that will be decoded.
    """
    from goldieval.models.decoding_processes import decoding_in_processes, travels

    many = workers >= PROCESSES_FROM and images >= IMAGES_FROM
    content = travels(model.preprocess) if many else None
    if content is not None:
        with decoding_in_processes(model.preprocess, content, workers) as processes:
            yield processes
        return
    with ThreadPoolExecutor(workers) as pool:  # a model without images to decode is not asked for anything
        yield Threads(lambda picture: model.preprocess(picture), pool)


def prepared(preprocess: Preprocess, key: str, source: ImageSource) -> Pixels:
    """Return an image as an input of the image tower, or the error that it caused.

    Args:
        preprocess: The model's preprocessing.
        key: Content key that was planned; another content is an error.
        source: Source of the image.

    Returns:
        Input, or an OSError of the image, or a TaskError of ``preprocess``.
    """
    try:
        picture = open_planned(source, key)
    except OSError as error:
        return error
    try:
        with contained("preprocessing it"):
            return preprocess(picture)
    except TaskError as error:
        return error

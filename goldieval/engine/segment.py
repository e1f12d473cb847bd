"""A model's map of every picture of a task: pictures and masks are read ahead by threads, and none is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.engine.encode import Meter
from goldieval.engine.load import Loaded
from goldieval.families.mmseg_parts import areas, resized
from goldieval.families.segmentation import Segmented
from goldieval.families.side_by_side import SegmentedImage
from goldieval.models.adapter import Dense
from goldieval.tasks.params import SegmentationParams

Predict = Callable[[torch.Tensor, tuple[int, int]], torch.Tensor]


@dataclass(frozen=True)
class Read:
    """One picture, its input of the tower, and its mask."""

    picture: np.ndarray
    pixels: torch.Tensor
    mask: np.ndarray


@dataclass
class Maps:
    """Areas and pixels by image id, what could not be decoded by content key, and the first pictures, if asked for."""

    areas: dict[str, np.ndarray] = field(default_factory=dict)
    pixels: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    shown: list[SegmentedImage] = field(default_factory=list)

    def segmented(self, loaded: Loaded) -> Segmented:
        """Return the areas in the order of the task's pictures."""
        ids = [image.id for image in loaded.prepared.dataset.images]
        pixels = sum(self.pixels[id] for id in ids)
        return Segmented(np.stack([self.areas[id] for id in ids]), pixels, self.shown)


def maps(
    model: Dense, loaded: Loaded, predict: Predict, device: str, show: int, pool: ThreadPoolExecutor, meter: Meter
) -> Maps:
    """Predict a class for every pixel of every picture, and count.

    Args:
        show: how many pictures to keep with truth and prediction.

    Raises:
        TaskError: a mask that cannot be read or is not as large as its picture.
    """
    found, classes = Maps(), len(loaded.prepared.extra.labels)
    for row, read in _read_ahead(model, loaded, pool):
        image = loaded.prepared.dataset.images[row]
        if isinstance(read, OSError):
            found.failed[loaded.keys[row]] = str(read)
        else:
            with contained(f"segmenting {image.path}"):
                prediction = predict(read.pixels.to(device), read.mask.shape)
            truth = torch.from_numpy(read.mask).to(prediction.device)
            found.areas[image.id] = areas(prediction, truth, classes)
            found.pixels[image.id] = read.mask.size
            if len(found.shown) < show:
                found.shown.append(SegmentedImage(image.id, row, read.picture, read.mask, prediction.cpu().numpy()))
        meter.advance(1)
    return found


def _read_ahead(model: Dense, loaded: Loaded, pool: ThreadPoolExecutor) -> Iterator[tuple[int, Read | OSError]]:
    """Yield every readable row in order; only a few pictures are in memory at a time."""
    rows = [row for row, key in enumerate(loaded.keys) if key]
    waiting: deque[tuple[int, Future[Read | OSError]]] = deque()
    for row in rows:
        waiting.append((row, pool.submit(_read, model, loaded, row)))
        if len(waiting) > pool._max_workers + 1:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()


def _read(model: Dense, loaded: Loaded, row: int) -> Read | OSError:
    dataset, params = loaded.prepared.dataset, loaded.prepared.task.card.params
    assert isinstance(params, SegmentationParams) and dataset.masks is not None
    image = dataset.images[row]
    try:
        picture = np.asarray(image.source.open())
    except OSError as error:
        return error
    with contained(f"reading the mask of {image.path}"):
        mask = dataset.masks[row].read()
    if mask.shape != picture.shape[:2]:
        sizes = f"{picture.shape[1]} x {picture.shape[0]} pixels, its mask {mask.shape[1]} x {mask.shape[0]}"
        raise TaskError(f"{image.id} is {sizes}.")
    small = torch.from_numpy(resized(picture, params.short_side, params.long_side))
    return Read(picture, model.normalise(small.permute(2, 0, 1).float() / 255), mask)

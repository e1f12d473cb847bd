"""Pictures and truths of a task as a data set of mmsegmentation, in an order that a resumed training repeats."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from typing import Any

import numpy as np
import torch

from goldieval.core.errors import TaskError, first_line
from goldieval.core.processes.loader_workers import DEATHS, is_worker_death, sigchld_kept
from goldieval.families.mmseg_parts import quiet_import

Sample = tuple[np.ndarray, np.ndarray]  # picture, uint8, (height, width, 3), in RGB; truth, (height, width)


class Pictures(quiet_import("mmseg.datasets").BaseSegDataset):  # type: ignore[misc]
    """Training pictures. An index says which picture, and at which place of the training it is seen.

    The place is the seed of the random transforms: a picture is cropped alike in a resumed training, and whichever
    process reads it.
    """

    def __init__(
        self, read: Callable[[int], Sample], rows: Sequence[int], classes: Sequence[str], pipeline: list[Any], seed: int
    ) -> None:
        """Make a data set.

        Args:
            read: reads the picture of a row, and its truth.
            rows: rows of the training pictures.
            classes: names of the classes; empty if truths are no classes.
            pipeline: transforms of mmsegmentation.
            seed: seed of the training.
        """
        self._read, self._rows, self._seed = read, list(rows), seed
        self._field = "gt_seg_map" if classes else "gt_depth_map"
        self._kind: type[np.generic] = np.int16 if classes else np.float32
        super().__init__(metainfo={"classes": list(classes)}, pipeline=pipeline, serialize_data=False)

    def load_data_list(self) -> list[dict[str, Any]]:
        return [{"row": row} for row in self._rows]

    def prepare_data(self, idx: int) -> Any:
        """Return the transformed picture of an index of ``Order``."""
        place, number = divmod(idx, len(self._rows))
        random.seed(f"{self._seed}/{place}")
        np.random.seed([self._seed, place])
        picture, truth = self._read(self._rows[number])
        bgr = np.ascontiguousarray(picture[..., ::-1])
        height, width = truth.shape
        return self.pipeline(
            {
                "img": bgr,
                "img_shape": (height, width),
                "ori_shape": (height, width),
                self._field: truth.astype(self._kind),
                "seg_fields": [self._field],
                "reduce_zero_label": False,
            }
        )


class Order(torch.utils.data.Sampler[int]):
    """Endless permutations of the pictures, each index together with its place: place * pictures + picture."""

    def __init__(self, pictures: int, seed: int) -> None:
        self._pictures, self._seed, self._first = pictures, seed, 0

    def __iter__(self) -> Iterator[int]:
        places = zip(count(), self._drawn(), strict=False)
        return (place * self._pictures + picture for place, picture in islice(places, self._first, None))

    def __len__(self) -> int:
        return self._pictures

    def skip(self, num_samples: int) -> None:
        """Begin after so many places; the loop of mmengine calls it when a training is resumed."""
        self._first = num_samples

    def _drawn(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed)
        while True:
            yield from torch.randperm(self._pictures, generator=generator).tolist()


class Loader(torch.utils.data.DataLoader[Any]):
    """Reads batches of pictures, in processes that end with ``close``.

    The runner holds them in a reference cycle. When the garbage collector ends such processes, it closes their queues
    first: they do not hear of it and go on, and each is waited for in vain.
    """

    _iterating: Any = None

    def __iter__(self) -> Any:
        with sigchld_kept():
            self._iterating = super().__iter__()
        return self._batches(self._iterating)

    def _batches(self, iterating: Any) -> Iterator[Any]:
        try:
            yield from iterating
        except DEATHS as error:
            if not self.num_workers or not is_worker_death(error):
                raise
            raise TaskError(
                f"a process that reads training pictures died ({first_line(error)}). It may have been killed for want "
                "of memory: lower --workers, or batch with --set batch=N."
            ) from error

    def close(self) -> None:
        """End the processes, if there are any."""
        if self._iterating is not None and self.num_workers:
            self._iterating._shutdown_workers()


class Normalise(quiet_import("mmcv.transforms").BaseTransform):  # type: ignore[misc]
    """Converts a picture from BGR to what the image tower accepts, by the model's own normalisation."""

    def __init__(self, normalise: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._normalise = normalise

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        rgb = torch.from_numpy(np.ascontiguousarray(results["img"][..., ::-1].transpose(2, 0, 1)))
        results["img"] = self._normalise(rgb.float() / 255).numpy().transpose(1, 2, 0)
        return results

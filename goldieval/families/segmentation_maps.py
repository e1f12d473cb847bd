"""Predicted maps of the pictures of a task, each of which is a unit of work of one rank and one thread.

Threads read pictures and masks ahead; maps are counted and discarded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.core.group import share
from goldieval.core.threads import map_ahead
from goldieval.core.transfers import upload
from goldieval.data.masks import MaskSource
from goldieval.data.samples import ImageSample
from goldieval.data.small_maps import encode_map
from goldieval.families.base import TaskRun
from goldieval.families.mmseg_parts import areas, resized
from goldieval.families.segmentation_classes import SegmentationPrepared
from goldieval.families.segmentation_predictor import Predictor
from goldieval.families.shared_work import model_units
from goldieval.families.side_by_side import DrawnPicture
from goldieval.models.adapter import Dense
from goldieval.tasks.params import SegmentationParams


@dataclass(frozen=True)
class PictureAndMask:
    """One sample in memory.

    Attributes:
        picture: the original picture, uint8, shape (height, width, 3).
        pixels: the resized and normalised picture, shape (3, resized height, resized width).
        mask: class of every pixel of the original picture, shape (height, width).
    """

    picture: np.ndarray
    pixels: torch.Tensor
    mask: np.ndarray


@dataclass(frozen=True)
class Counted:
    """The predicted map of one picture.

    Attributes:
        areas: see ``metrics.miou``, shape (4, classes).
        predicted: class of every pixel, shape (height, width).
        small: the map, reduced, as PNG.
    """

    areas: np.ndarray
    predicted: np.ndarray
    small: bytes

    def part(self, pixels: int) -> dict[str, np.ndarray]:
        """Return what is kept of a picture with this number of pixels."""
        small = np.frombuffer(self.small, dtype=np.uint8)
        return {"areas": self.areas, "small": small, "pixels": np.array([pixels])}


@dataclass
class Maps:
    """Counts over predicted maps.

    Attributes:
        areas: areas by image id, see ``metrics.miou``, each of shape (4, classes).
        pixels: number of pixels by image id, including those without a label.
        failed: content key to reason, of pictures that could not be decoded.
        small: predicted map by image id, reduced, as PNG.
        drawn: the first pictures with truth and prediction, as many as the run draws.
    """

    areas: dict[str, np.ndarray] = field(default_factory=dict)
    pixels: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    small: dict[str, bytes] = field(default_factory=dict)
    drawn: list[DrawnPicture] = field(default_factory=list)

    def add_counts(self, image: ImageSample, areas: np.ndarray, small: bytes, pixels: int) -> None:
        """Add what is known of a picture."""
        self.areas[image.id], self.small[image.id], self.pixels[image.id] = areas, small, pixels

    def add(self, image: ImageSample, row: int, sample: PictureAndMask, counted: Counted, most_drawn: int) -> None:
        """Add the map of a picture; of the first ``most_drawn`` pictures, the picture as well."""
        self.add_counts(image, counted.areas, counted.small, sample.mask.size)
        if len(self.drawn) < most_drawn:
            self.drawn.append(DrawnPicture(image.id, row, sample.picture, sample.mask, counted.predicted))


def predicted_maps(run: TaskRun[SegmentationPrepared], model: Dense, predict: Predictor, device: str) -> Maps:
    """Predict the class of every pixel of the readable pictures of this rank, and count areas.

    Args:
        run: the task.
        model: provides the transform of pictures.
        predict: result of ``predictor``.
        device: device of the model.

    Raises:
        TaskError: a mask cannot be read or has another size than its picture.
    """
    prepared = run.prepared
    images, classes = prepared.dataset.images, len(prepared.classes.labels)
    maps = Maps()
    mine = [row for _, row in share([row for row, key in enumerate(run.keys) if key], run.group)]
    finished = {} if run.pictures_to_draw else {row: part for row in mine if (part := run.parts.get(row)) is not None}
    for row, part in finished.items():
        maps.add_counts(images[row], part["areas"], part["small"].tobytes(), int(part["pixels"][0]))
    missing = [row for row in mine if row not in finished]

    def read(row: int) -> PictureAndMask | OSError:
        return _read(model, images[row], prepared.masks[row], prepared.params)

    def count(read_ahead: tuple[int, PictureAndMask | OSError]) -> Counted | None:
        row, sample = read_ahead
        if isinstance(sample, OSError):
            return None
        with contained(f"segmenting {images[row].shown_name}"):
            predicted = predict(upload(sample.pixels, device), sample.mask.shape)
        counted = areas(torch.from_numpy(predicted), torch.from_numpy(sample.mask), classes)
        return Counted(counted, predicted, encode_map(predicted))

    with run.working("segment", "segmenting images", len(mine)) as meter:
        meter.advance(len(finished))
        for (row, sample), counted in model_units(run, count, map_ahead(read, missing, run.batching.workers)):
            if isinstance(sample, OSError):
                maps.failed[run.keys[row]] = str(sample)
            elif counted is not None:
                maps.add(images[row], row, sample, counted, run.pictures_to_draw)
                run.parts.add(row, counted.part(sample.mask.size))
            meter.advance(1)
    return maps


def gathered(maps: Maps, run: TaskRun[SegmentationPrepared]) -> Maps:
    """Return the maps of all ranks on rank 0, and those of this rank on the others."""
    parts = run.group.gather(maps)
    if parts is None:
        return maps
    drawn = sorted((picture for part in parts for picture in part.drawn), key=lambda picture: picture.number)
    return Maps(
        areas={id: counted for part in parts for id, counted in part.areas.items()},
        pixels={id: pixels for part in parts for id, pixels in part.pixels.items()},
        failed={key: reason for part in parts for key, reason in part.failed.items()},
        small={id: png for part in parts for id, png in part.small.items()},
        drawn=drawn[: run.pictures_to_draw],
    )


def _read(
    model: Dense, image: ImageSample, mask_source: MaskSource, params: SegmentationParams
) -> PictureAndMask | OSError:
    """Return a picture with its mask, or the error of reading the picture. Raises TaskError for an invalid mask."""
    try:
        picture = np.asarray(image.source.open())
    except OSError as error:
        return error
    with contained(f"reading the mask of {image.shown_name}"):
        mask = mask_source.read()
    if mask.shape != picture.shape[:2]:
        sizes = f"{picture.shape[1]} x {picture.shape[0]} pixels, its mask {mask.shape[1]} x {mask.shape[0]}"
        raise TaskError(f"{image.id} is {sizes}.")
    small = torch.from_numpy(resized(picture, params.short_side, params.long_side))
    return PictureAndMask(picture, model.normalise(small.permute(2, 0, 1).float() / 255), mask)

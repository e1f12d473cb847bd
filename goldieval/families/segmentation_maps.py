"""A model's map of every picture of a task: pictures and masks are read ahead by threads, and none is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.core.threads import map_ahead
from goldieval.data.masks import MaskSource
from goldieval.data.samples import ImageSample
from goldieval.families.base import TaskRun
from goldieval.families.classes import rows_of
from goldieval.families.mmseg_parts import areas, resized
from goldieval.families.segmentation_classes import SegmentationPrepared
from goldieval.families.side_by_side import DrawnPicture
from goldieval.models.adapter import Dense
from goldieval.scoring.conditioned import Pool
from goldieval.scoring.cosine import unit
from goldieval.scoring.mode import dense_parts
from goldieval.scoring.patches import reader
from goldieval.scoring.segments import Decision, segment
from goldieval.scoring.similarity import ensemble
from goldieval.scoring.windows import slide
from goldieval.tasks.params import SegmentationParams

Predictor = Callable[[torch.Tensor, tuple[int, int]], torch.Tensor]


@dataclass(frozen=True)
class PictureAndMask:
    """One sample in memory.

    Attributes:
        picture: (height, width, 3) uint8.
        pixels: the resized picture as input of the image tower, (3, height, width).
        mask: class of every pixel, (height, width).
    """

    picture: np.ndarray
    pixels: torch.Tensor
    mask: np.ndarray


@dataclass
class Maps:
    """What was counted of the predicted maps.

    Attributes:
        areas: by image id, see ``metrics.miou``, (4, classes).
        pixels: number of pixels by image id, those without a label included.
        failed: content key to reason, of pictures that could not be decoded.
        drawn: the first pictures with truth and prediction, as many as were asked for.
    """

    areas: dict[str, np.ndarray] = field(default_factory=dict)
    pixels: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    drawn: list[DrawnPicture] = field(default_factory=list)


def predictor(prepared: SegmentationPrepared, mode: str, texts: torch.Tensor, model: Dense, batch: int) -> Predictor:
    """Return the function from a resized picture and the size of the original to the class of every pixel.

    Args:
        prepared: the task.
        mode: attention and reading, see ``scoring.mode.dense_mode``.
        texts: embeddings of the task's texts, (texts, dim), not normalised.
        model: gives patch features and, for the readings that pool, the pooling.
        batch: windows at a time; memory does not depend on the picture beyond that.

    Raises:
        TaskError: useless embeddings, or a reading that the model does not have.
    """
    params, classes = prepared.params, prepared.classes
    attention, reading = dense_parts(mode)
    units = ensemble(unit(texts, "text"), rows_of(prepared.filled, prepared.texts))
    pool: Pool | None = getattr(model, "pool", None)
    read = reader(reading, units, texts.float().norm(dim=-1).mean() * units, pool)
    owner = torch.tensor(classes.owner, device=units.device)
    thresholds = params.probability_threshold, params.area_threshold
    decision = Decision(owner, len(classes.labels), params.scale, *thresholds)

    def encode(windows: torch.Tensor) -> torch.Tensor:
        return read(_checked(model.dense(windows, attention), units))

    def predict(pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return segment(slide(pixels, encode, size, params.crop, params.stride, batch), decision)

    return predict


def predicted_maps(run: TaskRun[SegmentationPrepared], model: Dense, predict: Predictor, device: str) -> Maps:
    """Predict a class for every pixel of every readable picture, and count.

    Raises:
        TaskError: a mask that cannot be read or is not as large as its picture.
    """
    prepared = run.prepared
    images, classes = prepared.dataset.images, len(prepared.classes.labels)
    found = Maps()
    rows = [row for row, key in enumerate(run.keys) if key]

    def read(row: int) -> PictureAndMask | OSError:
        return _read(model, images[row], prepared.masks[row], prepared.params)

    with run.working("segment", "maps", len(images)) as meter:
        for row, sample in map_ahead(read, rows, run.batching.workers):
            image = images[row]
            if isinstance(sample, OSError):
                found.failed[run.keys[row]] = str(sample)
            else:
                with contained(f"segmenting {image.path}"):
                    prediction = predict(sample.pixels.to(device), sample.mask.shape)
                truth = torch.from_numpy(sample.mask).to(prediction.device)
                found.areas[image.id] = areas(prediction, truth, classes)
                found.pixels[image.id] = sample.mask.size
                if len(found.drawn) < run.pictures_to_draw:
                    found.drawn.append(
                        DrawnPicture(image.id, row, sample.picture, sample.mask, prediction.cpu().numpy())
                    )
            meter.advance(1)
    return found


def _read(
    model: Dense, image: ImageSample, mask_source: MaskSource, params: SegmentationParams
) -> PictureAndMask | OSError:
    """Return a picture and its mask, or the error that the picture caused."""
    try:
        picture = np.asarray(image.source.open())
    except OSError as error:
        return error
    with contained(f"reading the mask of {image.path}"):
        mask = mask_source.read()
    if mask.shape != picture.shape[:2]:
        sizes = f"{picture.shape[1]} x {picture.shape[0]} pixels, its mask {mask.shape[1]} x {mask.shape[0]}"
        raise TaskError(f"{image.id} is {sizes}.")
    small = torch.from_numpy(resized(picture, params.short_side, params.long_side))
    return PictureAndMask(picture, model.normalise(small.permute(2, 0, 1).float() / 255), mask)


def _checked(features: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
    """Raise TaskError for features that cannot be compared with the texts."""
    if features.ndim != 4 or features.shape[-1] != units.shape[-1]:
        raise TaskError(
            f"dense() gave features of shape {tuple(features.shape)} instead of "
            f"(windows, rows, columns, {units.shape[-1]})."
        )
    if not bool(torch.isfinite(features).all()):
        raise TaskError("dense() gave NaN or infinite features.")
    return features

"""Predicted maps of the pictures of a task. Threads read pictures and masks ahead; maps are counted and discarded."""

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
from goldieval.data.small_maps import encode_map
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
        picture: the original picture, uint8, shape (height, width, 3).
        pixels: the resized and normalised picture, shape (3, resized height, resized width).
        mask: class of every pixel of the original picture, shape (height, width).
    """

    picture: np.ndarray
    pixels: torch.Tensor
    mask: np.ndarray


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


def predictor(prepared: SegmentationPrepared, mode: str, texts: torch.Tensor, model: Dense, batch: int) -> Predictor:
    """Return a function that maps a resized picture and the size of the original to the class of every pixel.

    Args:
        prepared: the task.
        mode: attention and reading, see ``scoring.mode.dense_mode``.
        texts: embeddings of the texts of the task, not normalised, shape (texts, dim).
        model: provides patch features and, for some readings, text-conditioned pooling.
        batch: number of windows per batch, which bounds the memory for large pictures.

    Raises:
        TaskError: the embeddings are invalid, or the model does not support the reading.
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
    """Predict the class of every pixel of every readable picture, and count areas.

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
    rows = [row for row, key in enumerate(run.keys) if key]

    def read(row: int) -> PictureAndMask | OSError:
        return _read(model, images[row], prepared.masks[row], prepared.params)

    with run.working("segment", "segmenting images", len(images)) as meter:
        for row, sample in map_ahead(read, rows, run.batching.workers):
            image = images[row]
            if isinstance(sample, OSError):
                maps.failed[run.keys[row]] = str(sample)
            else:
                with contained(f"segmenting {image.path}"):
                    prediction = predict(sample.pixels.to(device), sample.mask.shape)
                truth = torch.from_numpy(sample.mask).to(prediction.device)
                maps.areas[image.id] = areas(prediction, truth, classes)
                maps.pixels[image.id] = sample.mask.size
                predicted = prediction.cpu().numpy()
                maps.small[image.id] = encode_map(predicted)
                if len(maps.drawn) < run.pictures_to_draw:
                    maps.drawn.append(DrawnPicture(image.id, row, sample.picture, sample.mask, predicted))
            meter.advance(1)
    return maps


def _read(
    model: Dense, image: ImageSample, mask_source: MaskSource, params: SegmentationParams
) -> PictureAndMask | OSError:
    """Return a picture with its mask, or the error of reading the picture. Raises TaskError for an invalid mask."""
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
    """Return patch features. Raises TaskError if they cannot be compared with the texts."""
    if features.ndim != 4 or features.shape[-1] != units.shape[-1]:
        raise TaskError(
            f"dense() returned features of shape {tuple(features.shape)} instead of "
            f"(windows, rows, columns, {units.shape[-1]})."
        )
    if not bool(torch.isfinite(features).all()):
        raise TaskError("dense() returned NaN or infinite features.")
    return features

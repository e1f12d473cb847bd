"""The function that predicts the class of every pixel of a picture, from the parameters of a task."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.core.units import one_thread
from goldieval.families.classes import rows_of
from goldieval.families.segmentation_classes import SegmentationPrepared
from goldieval.models.adapter import Dense
from goldieval.scoring.conditioned import Pool
from goldieval.scoring.cosine import unit
from goldieval.scoring.mode import dense_parts
from goldieval.scoring.patches import reader
from goldieval.scoring.segments import Decision, segment
from goldieval.scoring.similarities import ensemble
from goldieval.scoring.windows import slide

Predictor = Callable[[torch.Tensor, tuple[int, int]], np.ndarray]
UNSOUND = -1  # every pixel of a map that was computed from NaN or infinite features


def predictor(prepared: SegmentationPrepared, mode: str, texts: torch.Tensor, model: Dense, batch: int) -> Predictor:
    """Return a function that maps a resized picture and the size of the original to the class of every pixel, int64.

    The map is copied to the host once, and tells whether the features were sound. The function raises TaskError if they
    were not.

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
    with one_thread():
        vectors = texts.float().norm(dim=-1).mean() * units
    read = reader(reading, units, vectors, pool)
    owner = torch.tensor(classes.owner, device=units.device)
    thresholds = params.probability_threshold, params.area_threshold
    decision = Decision(owner, len(classes.labels), params.scale, *thresholds)

    def predict(pixels: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
        sound: list[torch.Tensor] = []

        def encode(windows: torch.Tensor) -> torch.Tensor:
            features = _checked(model.dense(windows, attention), units)
            sound.append(torch.isfinite(features).all())
            return read(features)

        found = segment(slide(pixels, encode, size, params.crop, params.stride, batch), decision)
        return _sound(torch.where(torch.stack(sound).all(), found, UNSOUND).cpu().numpy())

    return predict


def _checked(features: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
    """Return patch features. Raises TaskError if they cannot be compared with the texts."""
    if features.ndim != 4 or features.shape[-1] != units.shape[-1]:
        raise TaskError(
            f"dense() returned features of shape {tuple(features.shape)} instead of "
            f"(windows, rows, columns, {units.shape[-1]})."
        )
    return features


def _sound(predicted: np.ndarray) -> np.ndarray:
    """Return a map. Raises TaskError if it was computed from NaN or infinite features."""
    if predicted.flat[0] == UNSOUND:
        raise TaskError("dense() returned NaN or infinite features.")
    return predicted

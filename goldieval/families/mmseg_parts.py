"""The parts of mmsegmentation that are used: class names of its data sets, area counts and resizing.

Other modules import it by ``quiet_import`` only, and its compiled operations (``mmcv.ops``) are never used.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import logging
import sys
import threading
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from goldieval.core.errors import TaskError, did_you_mean
from goldieval.data.masks import IGNORED

_IMPORTS = threading.Lock()
EXACT = 1 << 23  # pixels: IoUMetric counts in float32, which is exact up to 2**24


@dataclass(frozen=True)
class Definition:
    """A data set of mmsegmentation.

    Attributes:
        name: name of its class.
        classes: class names.
        reduces: whether its loader treats value 0 as no label.
    """

    name: str
    classes: tuple[str, ...]
    reduces: bool

    def for_labels(self, reduce_zero_label: bool) -> Definition:
        """Return the definition for labels that are read with or without ``reduce_zero_label``.

        If value 0 is no label but the first class is "background", that class is dropped.

        Raises:
            TaskError: the labels are read differently from its loader, so that every class would be shifted by one.
        """
        if reduce_zero_label == self.reduces:
            return self
        if reduce_zero_label and self.classes[0] == "background":
            return Definition(self.name, self.classes[1:], True)
        how = "treats value 0 as no label" if self.reduces else "has a class for value 0"
        raise TaskError(
            f"mmsegmentation's {self.name} {how}: set source.reduce_zero_label to {str(self.reduces).lower()}."
        )


@cache
def definition(name: str) -> Definition:
    """Return the definition of a data set by the name of its class. Raises TaskError if there is none."""
    data_sets = _data_sets()
    if name not in data_sets:
        raise TaskError(f"params.definition: mmsegmentation has no data set {name!r}.{did_you_mean(name, data_sets)}")
    data_set = data_sets[name]
    reduces = inspect.signature(data_set.__init__).parameters.get("reduce_zero_label")
    return Definition(
        name,
        tuple(str(each).strip() for each in data_set.METAINFO["classes"]),
        bool(reduces is not None and reduces.default is True),
    )


def areas(prediction: torch.Tensor, truth: torch.Tensor, classes: int) -> np.ndarray:
    """Return intersection, union, predicted and labelled pixels of each class, int64, shape (4, classes).

    They are counted by mmsegmentation's ``IoUMetric``.

    Args:
        prediction: predicted class of every pixel, shape (height, width).
        truth: true class of every pixel, ``IGNORED`` where there is none, shape (height, width).
        classes: number of classes.
    """
    counter = quiet_import("mmseg.evaluation.metrics.iou_metric").IoUMetric
    total = np.zeros((4, classes), dtype=np.int64)
    parts = zip(torch.split(prediction.flatten(), EXACT), torch.split(truth.flatten(), EXACT), strict=True)
    for predicted, true in parts:
        counted = counter.intersect_and_union(predicted, true, classes, IGNORED)
        total += torch.stack(list(counted)).long().numpy()
    return total


def resized(picture: np.ndarray, short_side: int, long_side: int) -> np.ndarray:
    """Return a picture resized with its aspect ratio kept, by OpenCV's bilinear interpolation without antialiasing.

    This is the resizing of the loader that the papers use.

    Args:
        picture: uint8, shape (height, width, 3).
        short_side: new length of the short side in pixels.
        long_side: largest length of the long side in pixels; it takes precedence.
    """
    small: np.ndarray = quiet_import("mmcv.image").imrescale(
        picture, (long_side, short_side), interpolation="bilinear", backend="cv2"
    )
    return small


def resizing() -> str:
    """Return what computes ``resized``, with its version."""
    return f"cv2 {quiet_import('cv2').__version__}"


@cache
def _data_sets() -> dict[str, Any]:
    members = [member for member in vars(quiet_import("mmseg.datasets")).values() if inspect.isclass(member)]
    return {member.__name__: member for member in members if getattr(member, "METAINFO", {}).get("palette")}


def quiet_import(name: str) -> Any:
    """Import a module without its messages about missing optional parts.

    A lock serialises imports: threads read pictures, and each import redirects output and logging of the process.
    """
    with _IMPORTS:
        if name not in sys.modules:
            before = logging.root.manager.disable
            logging.disable(logging.ERROR)
            try:
                with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                    warnings.simplefilter("ignore")
                    importlib.import_module(name)
            finally:
                logging.disable(before)
        return sys.modules[name]

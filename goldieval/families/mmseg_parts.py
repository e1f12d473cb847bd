"""The only door to mmsegmentation: class names and colours of its data sets, its areas, its resizing. Never its ops."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import logging
import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from goldieval.core.errors import TaskError, did_you_mean
from goldieval.data.masks import IGNORED

Colour = tuple[int, int, int]
_IMPORTS = threading.Lock()
EXACT = 1 << 23  # pixels: IoUMetric counts in float32, which is exact up to 2**24


@dataclass(frozen=True)
class Definition:
    """A data set of mmsegmentation. reduces: whether its loader takes value 0 for no label."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    reduces: bool

    def for_labels(self, reduce_zero_label: bool) -> Definition:
        """Return it for labels that are read with or without zero; a class "background" may be what zero was.

        Raises:
            TaskError: the labels are read otherwise than its loader reads them, so that every class would be one off.
        """
        if reduce_zero_label == self.reduces:
            return self
        if reduce_zero_label and self.classes[0] == "background":
            return Definition(self.name, self.classes[1:], self.palette[1:], True)
        how = "takes value 0 for no label" if self.reduces else "has a class for value 0"
        raise TaskError(
            f"mmsegmentation's {self.name} {how}: set source.reduce_zero_label to {str(self.reduces).lower()}."
        )


@cache
def definition(name: str) -> Definition:
    """Return a data set's definition by the name of its class. Raises TaskError for an unknown one."""
    known = _data_sets()
    if name not in known:
        raise TaskError(f"params.definition: mmsegmentation has no data set {name!r}.{did_you_mean(name, known)}")
    found = known[name]
    reduces = inspect.signature(found.__init__).parameters.get("reduce_zero_label")
    return Definition(
        name,
        tuple(str(each).strip() for each in found.METAINFO["classes"]),
        tuple((int(red), int(green), int(blue)) for red, green, blue in found.METAINFO["palette"]),
        bool(reduces is not None and reduces.default is True),
    )


def areas(found: torch.Tensor, truth: torch.Tensor, classes: int) -> np.ndarray:
    """Return intersection, union, predicted and labelled pixels of each class by ``IoUMetric``, int64 (4, classes).

    Args:
        found: predicted classes.   truth: labels, ``IGNORED`` where there is none; both (height, width).
    """
    counter = quiet_import("mmseg.evaluation.metrics.iou_metric").IoUMetric
    total = np.zeros((4, classes), dtype=np.int64)
    parts = zip(torch.split(found.flatten(), EXACT), torch.split(truth.flatten(), EXACT), strict=True)
    for claimed, true in parts:
        counted = counter.intersect_and_union(claimed, true, classes, IGNORED)
        total += torch.stack(list(counted)).long().numpy()
    return total


def resized(picture: np.ndarray, short_side: int, long_side: int) -> np.ndarray:
    """Return a picture (height, width, 3) in uint8, its sides in the same proportion, as the papers' loader resizes it.

    Bilinear by OpenCV, without smoothing; the short side as asked for unless the long one would pass ``long_side``.
    """
    small: np.ndarray = quiet_import("mmcv.image").imrescale(
        picture, (long_side, short_side), interpolation="bilinear", backend="cv2"
    )
    return small


@cache
def _data_sets() -> dict[str, Any]:
    members = [member for member in vars(quiet_import("mmseg.datasets")).values() if inspect.isclass(member)]
    return {member.__name__: member for member in members if getattr(member, "METAINFO", {}).get("palette")}


def quiet_import(name: str) -> Any:
    """Import without its chatter of optional parts that nobody asked for.

    One at a time: threads read pictures, and the screen that one of them silenced must not stay another's.
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


def colours(count: int, taken: Sequence[Colour] = ()) -> list[Colour]:
    """Return ``taken``, or where there are none a colour for each class, neighbours far apart (PASCAL VOC's rule)."""
    return list(taken) or [_voc_colour(number + 1) for number in range(count)]


def _voc_colour(number: int) -> Colour:
    """Spread the bits of a number over the high bits of red, green and blue in turn."""
    parts = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            parts[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
    return parts[0], parts[1], parts[2]

"""The check of all masks before any model is run; its results are remembered for files that did not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.data.map_reading import MapCheck, read_maps
from goldieval.data.masks import IGNORED, FileMask, MaskSource, read_values
from goldieval.data.samples import ImageSample


@dataclass(frozen=True)
class MaskSummary:
    """Summary of all masks.

    Attributes:
        keys: Content key of each mask.
        pixels: Number of labelled pixels of each class, shape (classes,).
        ignored: Number of pixels without a label.
    """

    keys: list[str]
    pixels: np.ndarray
    ignored: int


def check_masks(images: Sequence[ImageSample], masks: Sequence[MaskSource], classes: int, workers: int) -> MaskSummary:
    """Read every mask once, before any model is run.

    Inside ``reading_once``, the results of masks and images that did not change are remembered.

    Raises:
        TaskError: Masks cannot be read, have labels outside the classes, or differ in size from their image; or all
            labelled pixels belong to one class, so that a constant prediction would be correct.
    """
    count = np.dtype(("<i8", (classes + 1,)))
    check = MapCheck(
        name="mask",
        rule="masks 1",
        store=f"masks-{classes}",
        dtype=count,
        fault=lambda image, mask: _label_fault(image, mask, classes),
        counts=lambda mask: np.bincount((mask + 1).ravel(), minlength=classes + 1).astype("<i8").tobytes(),
    )
    keys, counts = read_maps(images, masks, check, workers)
    total = counts.sum(axis=0)
    summary = MaskSummary(keys, total[1:], int(total[0]))
    _refuse_one_class(summary, masks)
    return summary


def without_pixels(pixels: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return a line about the classes without any pixel, or nothing if there are none."""
    absent = [name for name, count in zip(names, pixels, strict=True) if not count]
    return [f"{len(absent):,} of {len(names):,} classes have no pixel in any mask: {listing(absent)}"] if absent else []


def _refuse_one_class(found: MaskSummary, masks: Sequence[MaskSource]) -> None:
    """Raise TaskError if a constant prediction would be correct everywhere, so that chance level is 100 %."""
    (present,) = np.nonzero(found.pixels)
    if len(present) > 1:
        return
    if not len(present):
        raise TaskError(f"no pixel has a label: all are ignored{_hint(masks)}.")
    raise TaskError(
        f"every labelled pixel is of class {present[0]}, so chance is 100 % and the task measures nothing"
        f"{f' ({found.ignored:,} pixels are ignored)' if found.ignored else ''}{_hint(masks)}."
    )


def _hint(masks: Sequence[MaskSource]) -> str:
    """Describe the values in the first mask files: 0 and 255 are often intended as two classes."""
    files = [mask for mask in masks if isinstance(mask, FileMask)][:8]
    if not files:
        return ""
    seen = sorted({int(value) for mask in files for value in np.unique(read_values(mask.file))})
    ignored = [str(value) for value in seen if files[0].labels.table[value] == IGNORED]
    words = f"; the masks hold the values {listing(map(str, seen), 8)}"
    if ignored:
        words += (
            f", of which source.ignore excludes {listing(ignored)}. If those are classes, list all in source.values"
        )
    return f"{words}, as `values: {seen[:8]}`" if ignored and len(seen) <= 8 else words


def _label_fault(image: ImageSample, mask: np.ndarray, classes: int) -> str:
    outside = np.unique(mask[mask >= classes]).tolist()
    return f"{image.id} has labels {listing(map(str, outside))} outside the classes 0..{classes - 1}" if outside else ""

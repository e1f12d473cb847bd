"""Subsets of a dataset: for ``--limit``, for ``--subset present``, and without unreadable images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.data.axes import Axis, Layout, layouts
from goldieval.data.boxes import Boxes
from goldieval.data.cropped import CroppedImage
from goldieval.data.image_source import FileImage, ImageSource
from goldieval.data.samples import Dataset


@dataclass(frozen=True)
class _Kept:
    """Items of each axis that are kept.

    Attributes:
        masks: Whether each item of an axis is kept, (items of the axis,).
    """

    masks: dict[Axis, np.ndarray]

    def rows(self, axis: Axis, values: Any) -> Any:
        """Return the entries of kept items, of an array, of a list, or of each array of a mapping."""
        mask = self.masks[axis]
        if isinstance(values, dict):
            return {name: self.rows(axis, each) for name, each in values.items()}
        if isinstance(values, np.ndarray):
            return values[mask]
        return [value for value, is_kept in zip(values, mask, strict=True) if is_kept]

    def refer_to_kept(self, values: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
        """Return which entries refer to kept items only, (entries,).

        Args:
            values: Indices, (entries, ...) or, of several axes, (entries, ..., axes).
            axes: Axes that they refer to.
        """
        columns = values[..., None] if len(axes) == 1 else values
        complete = [self.masks[axis][columns[..., place]] for place, axis in enumerate(axes)]
        all_kept: np.ndarray = np.logical_and.reduce(complete).reshape(len(values), -1).all(axis=1)
        return all_kept

    def renumbered(self, values: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
        """Return indices among all items as indices among kept ones; arguments as of ``refer_to_kept``."""
        columns = values[..., None] if len(axes) == 1 else values
        new = [(np.cumsum(self.masks[axis]) - 1)[columns[..., place]] for place, axis in enumerate(axes)]
        return np.stack(new, axis=-1).reshape(values.shape)


def keep_images(dataset: Dataset, keep: np.ndarray) -> Dataset:
    """Return the dataset with the images selected by the mask ``keep``, shape (images,), and what belongs to them.

    Raises:
        TaskError: The data have boxes, but none of these images has one.
    """
    boxes, kept = (None, _kept(dataset, keep)) if dataset.boxes is None else _kept_boxes(dataset, dataset.boxes, keep)
    parts = {name: _part(getattr(dataset, name), layout, kept) for name, layout in layouts(dataset).items()}
    return replace(dataset, boxes=boxes, **parts)


def _part(values: Any, layout: Layout, kept: _Kept) -> Any:
    """Return the entries of a field that belong and refer to kept items, renumbered; None for an absent field."""
    if values is None:
        return None
    if layout.along is not None:
        values = kept.rows(layout.along, values)
    if not layout.refers_to:
        return values
    if layout.along is None:
        values = values[kept.refer_to_kept(values, layout.refers_to)]
    return kept.renumbered(values, layout.refers_to)


def _kept(dataset: Dataset, keep: np.ndarray) -> _Kept:
    """Return the images, texts and queries of data without boxes that remain with the images of a mask."""
    if dataset.owner is None:
        return _Kept({"image": keep, "text": np.zeros(len(dataset.texts), dtype=bool), "query": keep})
    text = keep[dataset.owner] & _complete(dataset, keep)
    kept = _Kept({"image": keep, "text": text, "query": text})
    if dataset.choices is not None:
        kept.masks["query"] = kept.refer_to_kept(dataset.choices, ("image", "text"))
    return kept


def _complete(dataset: Dataset, keep: np.ndarray) -> np.ndarray:
    """Return whether all images are kept among which those of each text are looked for, (texts,)."""
    complete = np.ones(len(dataset.texts), dtype=bool)
    if dataset.candidates is not None:
        text, image = dataset.candidates.T
        complete[text[~keep[image]]] = False
    return complete


def _kept_boxes(dataset: Dataset, boxes: Boxes, keep: np.ndarray) -> tuple[Boxes, _Kept]:
    """Return the boxes on the images selected by the mask ``keep``, and what remains with them.

    Raises:
        TaskError: None of these images has a box.
    """
    part, query = boxes.on(keep)
    if not len(part):
        raise TaskError(f"none of these {int(keep.sum()):,} images has a box: take more of them.")
    text = np.zeros(len(dataset.texts), dtype=bool)
    kept = _Kept({"image": keep, "text": text, "query": query})
    if part.candidates is None:
        return part, kept
    text[part.candidates[part.candidates >= 0]] = True
    renumbered = np.where(part.candidates < 0, part.candidates, kept.renumbered(part.candidates, ("text",)))
    return replace(part, candidates=renumbered), kept


def limited(dataset: Dataset, most: int) -> Dataset:
    """Return ``most`` images, always the same ones: those whose ids have the lowest hashes, in the original order."""
    if most >= len(dataset.images):
        return dataset
    drawn = sorted(range(len(dataset.images)), key=lambda row: _hash(dataset.images[row].id))[:most]
    keep = np.zeros(len(dataset.images), dtype=bool)
    keep[drawn] = True
    return keep_images(dataset, keep)


def present(dataset: Dataset) -> Dataset:
    """Return the part of a dataset whose image files exist.

    Raises:
        TaskError: No image file exists.
    """
    keep = np.array([_exists(image.source) for image in dataset.images])
    if not keep.any():
        raise TaskError(f"--subset present: none of the {len(keep):,} images exists.")
    if keep.all():
        return dataset
    part = keep_images(dataset, keep)
    (left, what), (all_, _) = (_items(each) for each in (part, dataset))
    if left < all_:
        part.notes = [*part.notes, f"subset: {left:,} of {all_:,} {what}, those whose pictures are here"]
    return part


def _exists(source: ImageSource) -> bool:
    whole = source.picture if isinstance(source, CroppedImage) else source
    return not isinstance(whole, FileImage) or whole.file.exists()


def _items(dataset: Dataset) -> tuple[int, str]:
    """Return number and name of what is answered: boxes, choices or texts; 0 for images with labels."""
    if dataset.boxes is not None:
        return len(dataset.boxes), "boxes"
    return len(dataset.texts if dataset.choices is None else dataset.choices), "items"


def _hash(id: str) -> bytes:
    return hashlib.sha256(id.encode()).digest()

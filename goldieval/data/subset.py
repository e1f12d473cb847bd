"""Subsets of a dataset: for ``--limit``, for ``--subset present``, and without unreadable images."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.data.cropped import CroppedImage
from goldieval.data.image_source import FileImage, ImageSource
from goldieval.data.samples import Dataset


def keep_images(dataset: Dataset, keep: np.ndarray) -> Dataset:
    """Return the dataset with the images selected by the mask ``keep``, shape (images,), and their texts."""
    images = [image for image, kept in zip(dataset.images, keep, strict=True) if kept]
    labels = dataset.labels[keep] if dataset.labels is not None else None
    part = Dataset(images, labels, dataset.class_names, notes=dataset.notes)
    part.train = dataset.train[keep] if dataset.train is not None else None
    part.shown = dataset.shown[keep] if dataset.shown is not None else None
    if dataset.masks is not None:
        part.masks = [mask for mask, kept in zip(dataset.masks, keep, strict=True) if kept]
    part.prompts = dataset.prompts
    part.image_queries = dataset.image_queries[keep] if dataset.image_queries is not None else None
    part.absent_positives = dataset.absent_positives[keep] if dataset.absent_positives is not None else None
    if dataset.alike is not None:
        part.alike = (np.cumsum(keep) - 1)[dataset.alike[keep[dataset.alike].all(axis=1)]]
    if dataset.boxes is not None:
        return _keep_boxes(dataset, part, keep)
    if dataset.owner is None:
        part.strata = {name: mask[keep] for name, mask in dataset.strata.items()}
        return part
    keep_text = queries = keep[dataset.owner] & _complete(dataset, keep)
    new_image, new_text = np.cumsum(keep) - 1, np.cumsum(keep_text) - 1
    part.texts = [text for text, kept in zip(dataset.texts, keep_text, strict=True) if kept]
    part.owner = new_image[dataset.owner[keep_text]]
    part.text_queries = dataset.text_queries[keep_text] if dataset.text_queries is not None else None
    part.answers = dataset.answers[keep_text] if dataset.answers is not None else None
    part.types = dataset.types[keep_text] if dataset.types is not None else None
    part.agreement = dataset.agreement[keep_text] if dataset.agreement is not None else None
    if dataset.positives is not None:
        text, image = dataset.positives[keep_text[dataset.positives[:, 0]] & keep[dataset.positives[:, 1]]].T
        part.positives = np.stack([new_text[text], new_image[image]], axis=1)
    if dataset.candidates is not None:
        text, image = dataset.candidates[keep_text[dataset.candidates[:, 0]]].T
        part.candidates = np.stack([new_text[text], new_image[image]], axis=1)
    if dataset.choices is not None:
        image, text = dataset.choices[..., 0], dataset.choices[..., 1]
        queries = (keep[image] & keep_text[text]).all(axis=1)
        part.choices = np.stack([new_image[image[queries]], new_text[text[queries]]], axis=-1)
        part.sets = dataset.sets[queries] if dataset.sets is not None else None
        part.groups = dataset.groups[queries] if dataset.groups is not None else None
        part.trues = dataset.trues
    part.strata = {name: mask[queries] for name, mask in dataset.strata.items()}
    return part


def _complete(dataset: Dataset, keep: np.ndarray) -> np.ndarray:
    """Return whether all images are kept among which those of each text are looked for, (texts,)."""
    complete = np.ones(len(dataset.texts), dtype=bool)
    if dataset.candidates is not None:
        text, image = dataset.candidates.T
        complete[text[~keep[image]]] = False
    return complete


def _keep_boxes(dataset: Dataset, part: Dataset, keep: np.ndarray) -> Dataset:
    """Add the boxes on the images selected by the mask ``keep`` to ``part``, with the texts that are their candidates.

    Raises:
        TaskError: None of these images has a box.
    """
    assert dataset.boxes is not None
    boxes, kept = dataset.boxes.on(keep)
    if not len(boxes):
        raise TaskError(f"none of these {len(part.images):,} images has a box: take more of them.")
    part.boxes, part.strata = boxes, {name: mask[kept] for name, mask in dataset.strata.items()}
    if boxes.candidates is None:
        return part
    used, place = np.unique(boxes.candidates[boxes.candidates >= 0], return_inverse=True)
    renumbered = np.full_like(boxes.candidates, -1)
    renumbered[boxes.candidates >= 0] = place
    part.boxes, part.texts = replace(boxes, candidates=renumbered), [dataset.texts[row] for row in used]
    return part


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

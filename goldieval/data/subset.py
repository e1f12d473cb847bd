"""Fewer samples of a dataset: for ``--limit``, and for pictures that cannot be read."""

from __future__ import annotations

import hashlib

import numpy as np

from goldieval.data.samples import Dataset


def keep_images(dataset: Dataset, keep: np.ndarray) -> Dataset:
    """Return the dataset with the images where ``keep``, shape (images,), is true, and the texts written for them."""
    new_row = np.cumsum(keep) - 1
    images = [image for image, kept in zip(dataset.images, keep, strict=True) if kept]
    labels = dataset.labels[keep] if dataset.labels is not None else None
    if dataset.owner is None or dataset.positives is None:
        return Dataset(images, labels, dataset.class_names)
    keep_text = keep[dataset.owner]
    new_text = np.cumsum(keep_text) - 1
    pairs = dataset.positives[keep_text[dataset.positives[:, 0]] & keep[dataset.positives[:, 1]]]
    return Dataset(
        images=images,
        labels=labels,
        class_names=dataset.class_names,
        texts=[text for text, kept in zip(dataset.texts, keep_text, strict=True) if kept],
        positives=np.stack([new_text[pairs[:, 0]], new_row[pairs[:, 1]]], axis=1),
        owner=new_row[dataset.owner[keep_text]],
    )


def limited(dataset: Dataset, most: int) -> Dataset:
    """Return ``most`` images, always the same ones: those whose ids hash lowest, in the data's order."""
    if most >= len(dataset.images):
        return dataset
    drawn = sorted(range(len(dataset.images)), key=lambda row: _hash(dataset.images[row].id))[:most]
    keep = np.zeros(len(dataset.images), dtype=bool)
    keep[drawn] = True
    return keep_images(dataset, keep)


def _hash(id: str) -> bytes:
    return hashlib.sha256(id.encode()).digest()

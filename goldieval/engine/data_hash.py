"""The hash of the data of a task, which identifies what a result was measured on."""

from __future__ import annotations

import hashlib

import numpy as np

from goldieval.data.boxes import Boxes
from goldieval.data.samples import Dataset


def data_hash(dataset: Dataset, keys: list[str], mask_keys: list[str]) -> str:
    """Return the SHA-256 over ids, contents, texts, labels, relevance, answers and masks of a task."""
    total = hashlib.sha256()
    labels = dataset.labels if dataset.labels is not None else np.zeros(len(keys), dtype=np.int64)
    for image, key, label in zip(dataset.images, keys, labels, strict=True):
        total.update(f"{image.id}\t{key}\t{label}\n".encode())
    if dataset.shown is not None:
        total.update(b"shown" + np.packbits(dataset.shown, axis=1).tobytes())
    for text in dataset.texts:
        total.update(f"{text.id}\t{text.text}\n".encode())
    if dataset.positives is not None:
        total.update(np.ascontiguousarray(dataset.positives, dtype=np.int64).data)
    if dataset.candidates is not None:
        total.update(np.ascontiguousarray(dataset.candidates, dtype=np.int64).data)
    if dataset.alike is not None:
        total.update(b"alike" + np.ascontiguousarray(dataset.alike, dtype=np.int64).data)
    for name, asked in (("texts asked", dataset.text_queries), ("images asked", dataset.image_queries)):
        if asked is not None:
            total.update(name.encode() + np.packbits(asked).tobytes())
    if dataset.absent_positives is not None:
        total.update(b"absent" + np.ascontiguousarray(dataset.absent_positives, dtype=np.int64).data)
    if dataset.choices is not None:
        total.update(np.ascontiguousarray(dataset.choices, dtype=np.int64).data)
    if dataset.train is not None:
        total.update(b"train" + np.packbits(dataset.train).tobytes())
    if dataset.sets is not None:
        total.update(np.ascontiguousarray(dataset.sets, dtype=np.int64).data)
    if dataset.trues > 1:
        total.update(f"all of {dataset.trues}".encode())
    if dataset.groups is not None:
        total.update("\n".join(dataset.groups).encode())
    if dataset.answers is not None:
        total.update("\n".join(dataset.answers).encode())
    if dataset.boxes is not None:
        total.update(_of_boxes(dataset.boxes))
    total.update("\n".join(mask_keys).encode())
    for name, mask in sorted(dataset.strata.items()):
        total.update(name.encode() + np.packbits(mask).tobytes())
    return total.hexdigest()


def _of_boxes(boxes: Boxes) -> bytes:
    """Return the SHA-256 over ids, pictures, corners, classes and candidates of boxes."""
    total = hashlib.sha256("\n".join(boxes.ids).encode(errors="surrogatepass"))
    for numbers in (boxes.image, boxes.labels, boxes.candidates):
        if numbers is not None:
            total.update(np.ascontiguousarray(numbers, dtype=np.int64).data)
    total.update(np.ascontiguousarray(boxes.corners, dtype=np.float64).data)
    return total.digest()

"""Corrupted copies of the pictures of a classification: a sample for each kind and severity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.data.corruptions.corrupted import CorruptedImage
from goldieval.data.corruptions.corruption import Corruption
from goldieval.data.corruptions.names import TYPOGRAPHIC
from goldieval.data.image_source import NoImage
from goldieval.data.samples import Dataset, ImageSample
from goldieval.metrics.query_values import Columns
from goldieval.tasks.corruption_params import CorruptionParams


def corrupted(dataset: Dataset, params: CorruptionParams, names: Sequence[str]) -> Dataset:
    """Return the corrupted copies of the pictures, next to each other; the dataset itself without corruptions.

    Args:
        dataset: labelled pictures.
        params: the corruptions.
        names: name of each class, one of which is written on a picture.

    Raises:
        TaskError: the samples are ids without pictures, or an attack lacks a wrong class.
    """
    if not params.corruptions:
        return dataset
    if any(isinstance(image.source, NoImage) for image in dataset.images):
        raise TaskError("params.corruptions need pictures, but these samples are ids without any: run without them.")
    assert dataset.labels is not None
    labels = dataset.labels.tolist()
    images = [
        copy
        for image, label in zip(dataset.images, labels, strict=True)
        for copy in _copies(image, label, params, names)
    ]
    copies = len(params.corruptions) * len(params.severities)
    return Dataset(
        images,
        np.repeat(dataset.labels, copies),
        dataset.class_names,
        prompts=dataset.prompts,
        strata={name: np.repeat(mask, copies) for name, mask in dataset.strata.items()},
        notes=dataset.notes,
    )


def _copies(image: ImageSample, label: int, params: CorruptionParams, names: Sequence[str]) -> Iterator[ImageSample]:
    """Yield the corrupted copies of a picture."""
    for kind in params.corruptions:
        number = _wrong_class(f"{params.corruption_seed} {image.id}", label, names) if kind == TYPOGRAPHIC else -1
        word = names[number] if number >= 0 else ""
        for severity in params.severities:
            how = Corruption(kind, severity, params.corruption_seed, params.corruption_side, word)
            yield ImageSample(f"{image.id}#{kind}-{severity}", CorruptedImage(image.source, how, number), image.path)


def _wrong_class(seed: str, label: int, names: Sequence[str]) -> int:
    """Return the index of a class with another name than that of a label, drawn by the hash of a text."""
    start = int.from_bytes(hashlib.sha256(seed.encode(errors="surrogatepass")).digest()[:8], "big") % len(names)
    for number in (place % len(names) for place in range(start, start + len(names))):
        if names[number].strip() and names[number] != names[label]:
            return number
    raise TaskError(
        f"params.corruptions: typographic writes the name of a wrong class, but there is none beside {names[label]!r}."
    )


def corruption_columns(images: Sequence[ImageSample]) -> dict[str, np.ndarray]:
    """Return the columns that say what was done to each image; none for pictures as they are.

    Args:
        images: the samples, all corrupted or none.

    Returns:
        ``cluster_id`` (id of the picture), ``corruption``, ``severity`` and, where a word is written on an image,
        ``written_class`` (index of the class, -1 for none), each (images,).
    """
    copies = [image.source for image in images if isinstance(image.source, CorruptedImage)]
    if not copies:
        return {}
    columns = {
        "cluster_id": np.array([image.id.rpartition("#")[0] for image in images], dtype=object),
        "corruption": np.array([copy.corruption.kind for copy in copies], dtype=object),
        "severity": np.array([copy.corruption.severity for copy in copies]),
    }
    written = np.array([copy.written_class for copy in copies])
    return columns | ({"written_class": written} if (written >= 0).any() else {})


def clusters_of(outcomes: Columns) -> np.ndarray:
    """Return the number of the picture behind each image, (images,)."""
    if "corruption" not in outcomes:
        return np.arange(len(outcomes["sample_id"]))
    clusters: np.ndarray = np.unique(outcomes["cluster_id"].astype(str), return_inverse=True)[1]
    return clusters

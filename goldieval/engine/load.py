"""Read a task's samples, check them against its card, and give every content its key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError, listing
from goldieval.data.masks import check_masks, without_pixels
from goldieval.data.samples import Dataset, ImageSource, NoImage
from goldieval.data.subset import keep_images, limited, present
from goldieval.engine.encode import image_keys, text_key
from goldieval.families.base import Prepared, family_of
from goldieval.metrics.registry import metric_of
from goldieval.tasks.card import Task


@dataclass(frozen=True)
class Loaded:
    """A task that is ready to be encoded.

    Attributes:
        prepared: the task with its samples.
        keys: content key of every image, empty where its file cannot be read.
        unreadable: image id to reason.
        sha256: over ids, contents, texts and labels.
        seen: counts before any limit or subset.
        prepared_sha256: of what the card's ``prepare`` steps made.
        present: number of images whose picture is there, where only those are run and others are missing.
        limit: number of images that were asked for, where there are more.
    """

    prepared: Prepared[Any]
    keys: list[str]
    unreadable: dict[str, str]
    sha256: str
    seen: dict[str, int]
    prepared_sha256: str = ""
    present: int | None = None
    limit: int | None = None

    @property
    def pictureless(self) -> bool:
        """True for a task of ids whose embeddings were computed elsewhere."""
        return any(isinstance(image.source, NoImage) for image in self.prepared.dataset.images)

    @property
    def sources(self) -> dict[str, ImageSource]:
        images = self.prepared.dataset.images
        return {key: image.source for key, image in zip(self.keys, images, strict=True) if key}

    @property
    def texts(self) -> dict[str, str]:
        return {text_key(text.text): text.text for text in self.prepared.texts}

    def without(self, failed: Mapping[str, str], allowed: int) -> Loaded:
        """Return the task without its unreadable pictures.

        Args:
            failed: content key to reason, of pictures that could not be decoded.
            allowed: how many may be missing.

        Raises:
            TaskError: more pictures are unreadable than allowed; names the first.
        """
        images = self.prepared.dataset.images
        decoded = {image.id: failed[key] for image, key in zip(images, self.keys, strict=True) if key in failed}
        bad = self.unreadable | decoded
        if not bad:
            return self
        if len(bad) > allowed:
            named = listing([f"{id} ({reason})" for id, reason in bad.items()])
            raise TaskError(
                f"{len(bad):,} of {len(images):,} images cannot be read: {named}. "
                f"Mend them, or score the rest with --allow-bad {len(bad)}."
            )
        keep = np.array([image.id not in bad for image in images])
        if keep.all():
            return self
        if not keep.any():
            raise TaskError(f"none of the {len(images):,} images can be read.")
        task = self.prepared.task
        prepared = family_of(task.card.family).prepare(task, keep_images(self.prepared.dataset, keep))
        keys = [key for key, kept in zip(self.keys, keep, strict=True) if kept]
        return replace(self, prepared=prepared, keys=keys, unreadable=bad)


def load_task_data(task: Task, folder: Path, limit: int | None, workers: int, subset: str = "") -> Loaded:
    """Read, check and hash the samples of a task.

    Args:
        subset: "present" leaves out the images whose picture file is missing.

    Raises:
        TaskError: whatever is wrong with the data, with file, row or count; also for what a reader did not foresee.
    """
    with contained(f"reading {folder}"):
        return _loaded(task, folder, limit, workers, subset)


def _loaded(task: Task, folder: Path, limit: int | None, workers: int, subset: str) -> Loaded:
    prepared, seen, prepared_sha256 = counted(task, folder)
    dataset, there = prepared.dataset, None
    if subset:
        dataset = present(dataset)
        there = len(dataset.images) if dataset is not prepared.dataset else None
    limit = limit if limit is not None and limit < len(dataset.images) else None
    if limit is not None:
        dataset = limited(dataset, limit)
    if dataset is not prepared.dataset:
        prepared = family_of(task.card.family).prepare(task, dataset)
    images, mask_keys = prepared.dataset.images, _mask_keys(prepared, seen, workers)
    found = image_keys([image.source for image in images], workers)
    unreadable = {
        image.id: str(key.strerror or key) for image, key in zip(images, found, strict=True) if isinstance(key, OSError)
    }
    keys = ["" if isinstance(key, OSError) else key for key in found]
    return Loaded(
        prepared, keys, unreadable, _data_hash(prepared.dataset, keys, mask_keys), seen, prepared_sha256, there, limit
    )


def _mask_keys(prepared: Prepared[Any], seen: dict[str, int], workers: int) -> list[str]:
    """Check every mask and note the classes that none has; return the masks' content keys."""
    dataset = prepared.dataset
    if dataset.masks is None:
        return []
    found = check_masks(dataset.images, dataset.masks, seen["classes"], workers)
    dataset.notes = [*dataset.notes, *without_pixels(found.pixels, prepared.class_labels or ())]
    return found.keys


def counted(task: Task, folder: Path) -> tuple[Prepared[Any], dict[str, int], str]:
    """Read the samples of a task and count them; no picture is opened. Also return the hash of what was prepared.

    Raises:
        TaskError: whatever is wrong with the data, a count that the card does not expect included.
    """
    dataset, prepared_sha256 = task.card.source.prepared(folder)
    family = family_of(task.card.family)
    prepared = family.prepare(task, dataset)
    seen = _counts(prepared)
    _check_counts(task, seen)
    if why := metric_of(task.card.headline).certainty(seen):
        raise TaskError(f"chance is 100 %, so there is nothing to measure: {why}.")
    return prepared, seen, prepared_sha256


def _counts(prepared: Prepared[Any]) -> dict[str, int]:
    dataset = prepared.dataset
    train = int(dataset.train.sum()) if dataset.train is not None else 0
    counts = {"images": len(dataset.images) - train}
    if train:
        counts["train"] = train
    if dataset.texts:
        counts["texts"] = len(dataset.texts)
    if prepared.class_labels is not None:
        counts["classes"] = len(prepared.class_labels)
    return counts


def _check_counts(task: Task, seen: dict[str, int]) -> None:
    expected = task.card.expect.model_dump(exclude_none=True)
    wrong = [
        f"{seen.get(what, 0):,} {what} instead of {count:,}"
        for what, count in expected.items()
        if seen.get(what, 0) != count
    ]
    if wrong:
        raise TaskError(
            f"the data are not what {task.file.name} expects: {', '.join(wrong)}. "
            "Another split or a partial copy gives another result; fetch the data again, or write a card of your own."
        )


def _data_hash(dataset: Dataset, keys: list[str], mask_keys: list[str]) -> str:
    """Hash ids, contents, texts, labels, relevance, answers and masks: what a paper can state that it ran on."""
    total = hashlib.sha256()
    labels = dataset.labels if dataset.labels is not None else np.zeros(len(keys), dtype=np.int64)
    for image, key, label in zip(dataset.images, keys, labels, strict=True):
        total.update(f"{image.id}\t{key}\t{label}\n".encode())
    for text in dataset.texts:
        total.update(f"{text.id}\t{text.text}\n".encode())
    if dataset.positives is not None:
        total.update(np.ascontiguousarray(dataset.positives, dtype=np.int64).data)
    if dataset.choices is not None:
        total.update(np.ascontiguousarray(dataset.choices, dtype=np.int64).data)
    if dataset.train is not None:
        total.update(b"train" + np.packbits(dataset.train).tobytes())
    if dataset.sets is not None:
        total.update(np.ascontiguousarray(dataset.sets, dtype=np.int64).data)
    if dataset.answers is not None:
        total.update("\n".join(dataset.answers).encode())
    total.update("\n".join(mask_keys).encode())
    for name, mask in sorted(dataset.strata.items()):
        total.update(name.encode() + np.packbits(mask).tobytes())
    return total.hexdigest()

"""Read the samples of a task, check them against its card, and compute the key of every content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError, listing
from goldieval.core.group import Alone, Group, share
from goldieval.data.content_keys import image_keys
from goldieval.data.image_source import ImageSource, NoImage
from goldieval.data.map_check import CheckedMaps, check_maps
from goldieval.data.samples import Dataset
from goldieval.data.subset import keep_images, limited, present
from goldieval.engine.data_hash import data_hash
from goldieval.engine.encode import text_key
from goldieval.families.base import Prepared, family_of
from goldieval.metrics.registry import metric_of
from goldieval.tasks.card import Task


@dataclass(frozen=True)
class LoadedTask:
    """A task that is ready to be encoded.

    Attributes:
        prepared: the task with its samples.
        keys: content key of each image, empty if its file cannot be read.
        unreadable: image id to reason.
        sha256: SHA-256 over ids, contents, texts and labels.
        seen: counts before any limit or subset.
        prepared_sha256: SHA-256 of the result of the card's ``prepare`` steps.
        present: number of images whose picture exists, if only those are run and others are missing; else None.
        limit: number of images to which the task was limited; None if it has no more than that.
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
    def has_ids_only(self) -> bool:
        """Whether the images are ids without pictures, for embeddings that were computed elsewhere."""
        return any(isinstance(image.source, NoImage) for image in self.prepared.dataset.images)

    @property
    def sources(self) -> dict[str, ImageSource]:
        """Readable pictures by content key."""
        images = self.prepared.dataset.images
        return {key: image.source for key, image in zip(self.keys, images, strict=True) if key}

    @property
    def texts(self) -> dict[str, str]:
        """Texts to encode, by content key."""
        return {text_key(text.text): text.text for text in self.prepared.texts}

    def without(self, failed: Mapping[str, str], allowed: int) -> LoadedTask:
        """Return the task without its unreadable pictures.

        Args:
            failed: content key to reason, of pictures that could not be decoded.
            allowed: number of pictures that may be left out.

        Raises:
            TaskError: more pictures are unreadable than allowed; the first ones are named.
        """
        images = self.prepared.dataset.images
        decoding = {image.id: failed[key] for image, key in zip(images, self.keys, strict=True) if key in failed}
        unreadable = self.unreadable | decoding
        if not unreadable:
            return self
        if len(unreadable) > allowed:
            examples = listing([f"{id} ({reason})" for id, reason in unreadable.items()])
            raise TaskError(
                f"{len(unreadable):,} of {len(images):,} images cannot be read: {examples}. "
                f"Repair them, or evaluate the others with --allow-bad {len(unreadable)}."
            )
        keep = np.array([image.id not in unreadable for image in images])
        if keep.all():
            return self
        if not keep.any():
            raise TaskError(f"none of the {len(images):,} images can be read.")
        task = self.prepared.task
        prepared = family_of(task.card.family).prepare(task, keep_images(self.prepared.dataset, keep))
        keys = [key for key, kept in zip(self.keys, keep, strict=True) if kept]
        return replace(self, prepared=prepared, keys=keys, unreadable=unreadable)


def load_task_data(
    task: Task, folder: Path, limit: int | None, workers: int, subset: str = "", group: Group = Alone()
) -> LoadedTask:
    """Read, check and hash the samples of a task.

    Args:
        task: the card.
        folder: folder of its data.
        limit: number of images to take; None for all.
        workers: number of threads that read.
        subset: ``present`` leaves out images whose picture file is missing.
        group: the processes that share the reading of pictures.

    Raises:
        TaskError: the data are invalid; the line names file, row or count. Unexpected errors of a reader included.
    """
    with contained(f"reading {folder}"):
        return _load(task, folder, limit, workers, subset, group)


def _load(task: Task, folder: Path, limit: int | None, workers: int, subset: str, group: Group) -> LoadedTask:
    prepared, seen, prepared_sha256 = prepare_and_count(task, folder)
    dataset, present_count = prepared.dataset, None
    if subset:
        dataset = present(dataset)
        present_count = len(dataset.images) if dataset is not prepared.dataset else None
    limit = limit if limit is not None and limit < len(dataset.images) else None
    if limit is not None:
        dataset = limited(dataset, limit)
    prepared = enlarged(task, prepared, dataset)
    images, maps = prepared.dataset.images, _checked_maps(prepared, seen, workers)
    results = _shared_keys([image.source for image in images], workers, group)
    keys = ["" if isinstance(key, OSError) else key for key in results]
    return LoadedTask(
        prepared=prepared,
        keys=keys,
        unreadable={
            image.id: str(error.strerror or error)
            for image, error in zip(images, results, strict=True)
            if isinstance(error, OSError)
        },
        sha256=data_hash(prepared.dataset, keys, maps.masks, maps.depths),
        seen=seen,
        prepared_sha256=prepared_sha256,
        present=present_count,
        limit=limit,
    )


def enlarged(task: Task, prepared: Prepared[Any], dataset: Dataset) -> Prepared[Any]:
    """Return a task with the samples that are scored.

    Args:
        task: the card.
        prepared: the task with all samples of the data.
        dataset: those samples, or a part of them.

    Raises:
        TaskError: the samples cannot be made, or miss something.
    """
    family = family_of(task.card.family)
    made = family.enlarged(task, dataset)
    return prepared if made is prepared.dataset else family.prepare(task, made)


def _shared_keys(sources: Sequence[ImageSource], workers: int, group: Group) -> list[str | OSError]:
    """Return the content key of each picture, of which every process reads a share."""
    own = image_keys([source for _, source in share(sources, group)], workers)
    results: list[str | OSError] = [""] * len(sources)
    for rank, part in enumerate(group.all_gather(own)):
        results[rank :: group.size] = part
    return results


def _checked_maps(prepared: Prepared[Any], seen: dict[str, int], workers: int) -> CheckedMaps:
    """Check every mask and depth map, note the classes without pixels, and return the content keys."""
    dataset = prepared.dataset
    found = check_maps(dataset, seen, prepared.class_labels, workers)
    dataset.notes = [*dataset.notes, *found.notes]
    return found


def prepare_and_count(task: Task, folder: Path) -> tuple[Prepared[Any], dict[str, int], str]:
    """Read the samples of a task and count them; no picture is opened.

    Args:
        task: the card.
        folder: folder of its data.

    Returns:
        The prepared task, its counts, and the SHA-256 of the result of the card's ``prepare`` steps.

    Raises:
        TaskError: the data are invalid, a count differs from the card, or there is nothing to measure.
    """
    dataset, prepared_sha256 = task.card.source.prepared(folder)
    family = family_of(task.card.family)
    prepared = family.prepare(task, dataset)
    seen = _counts(prepared)
    _check_counts(task, seen)
    if reason := metric_of(task.card.headline).certainty(seen):
        raise TaskError(f"chance is 100 %, so there is nothing to measure: {reason}.")
    return prepared, seen, prepared_sha256


def _counts(prepared: Prepared[Any]) -> dict[str, int]:
    dataset = prepared.dataset
    train = int(dataset.train.sum()) if dataset.train is not None else 0
    counts = {"images": len(dataset.images) - train}
    if train:
        counts["train"] = prepared.train_images or train
    if dataset.texts:
        counts["texts"] = len(dataset.texts)
    if dataset.boxes is not None:
        counts["boxes"] = len(dataset.boxes)
    if prepared.class_labels is not None:
        counts["classes"] = len(prepared.class_labels)
    return counts


def _check_counts(task: Task, seen: dict[str, int]) -> None:
    expected = task.card.expect.model_dump(exclude_none=True)
    differences = [
        f"{seen.get(what, 0):,} {what} instead of {count:,}"
        for what, count in expected.items()
        if seen.get(what, 0) != count
    ]
    if differences:
        raise TaskError(
            f"the data are not what {task.file.name} expects: {', '.join(differences)}. "
            "Another split or a partial copy gives other results; fetch the data again, or write your own card."
        )

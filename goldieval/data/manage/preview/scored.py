"""Samples as they are scored: of a task with corruptions, corrupted copies of the pictures of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from goldieval.data.corruptions.corrupted import CorruptedImage
from goldieval.data.manage.preview.samples import PreviewSample, PreviewText, preview_samples
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.subset import keep_images
from goldieval.families.base import family_of
from goldieval.tasks.card import Task


def scored_samples(task: Task, dataset: Dataset, names: Sequence[str] | None, count: int) -> list[PreviewSample]:
    """Return evenly spaced samples; of corrupted ones, each another kind or severity, as far as there are so many.

    Args:
        task: The task.
        dataset: The samples of its data.
        names: Names of its classes, if it has classes.
        count: Number of samples.
    """
    samples = preview_samples(dataset, names, count)
    if not getattr(task.card.params, "corruptions", []):
        return samples
    shown = {sample.image.id for sample in samples}
    part = keep_images(dataset, np.array([image.id in shown for image in dataset.images]))
    made = family_of(task.card.family).enlarged(task, part)
    images = made.images
    copies = len(images) // len(part.images)
    of_original = {image.id: images[copies * row : copies * (row + 1)] for row, image in enumerate(part.images)}
    wanted, found = min(count, len(images)), []
    for place in range(wanted):
        turn, row = divmod(place, len(samples))
        copy = place * copies // wanted if wanted <= copies else (row + turn) % copies
        found.append(_with(samples[row], of_original[samples[row].image.id][copy]))
    return found


def _with(sample: PreviewSample, copy: ImageSample) -> PreviewSample:
    """Return a sample with a corrupted copy of its picture, and a line on what was done to it."""
    assert isinstance(copy.source, CorruptedImage)
    how = copy.source.corruption
    text = f"{how.kind.replace('_', ' ')}, severity {how.severity}" + (f": {how.word}" if how.word else "")
    return replace(sample, image=copy, texts=[PreviewText("corruption", text), *sample.texts])

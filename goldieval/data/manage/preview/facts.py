"""Everything that a preview of a task shows, computed without a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.data.duplicates import Repeats, repeats
from goldieval.data.manage.preview.attention import attention
from goldieval.data.manage.preview.classes import ClassCount, class_counts
from goldieval.data.manage.preview.images import ImageFacts, image_facts
from goldieval.data.manage.preview.samples import PreviewSample
from goldieval.data.manage.preview.scored import scored_samples
from goldieval.data.manage.preview.texts import TextLengths, TextReader, text_lengths
from goldieval.families.base import Prepared
from goldieval.tasks.card import Task


@dataclass(frozen=True)
class Preview:
    """A task, looked at.

    Attributes:
        task: The task.
        folder: Folder of its data.
        prepared: The task with its samples.
        counts: Counts by name, as in the card's ``expect``.
        samples: The samples that are shown.
        images: Facts of all pictures.
        classes: Counts by class, empty without classes.
        texts: Lengths of the texts, None without texts.
        repeated: Captions that describe several images, None without captions to compare.
        attention: Lines on what to look at before measuring.
    """

    task: Task
    folder: Path
    prepared: Prepared[Any]
    counts: dict[str, int]
    samples: list[PreviewSample]
    images: ImageFacts
    classes: list[ClassCount]
    texts: TextLengths | None
    repeated: Repeats | None
    attention: list[str]


def preview(task: Task, root: Path, count: int, reader: TextReader, workers: int) -> Preview:
    """Read a task and look at all of its pictures, texts and masks once.

    Args:
        task: The task.
        root: Folder of all data.
        count: Number of samples to show.
        reader: Tokenizer and context that texts are measured with.
        workers: Number of threads that read.

    Raises:
        TaskError: The data are missing or invalid.
    """
    from goldieval.engine.load import prepare_and_count
    from goldieval.engine.task_loader import missing_data

    with contained("looking at its data"):
        folder = task.folder(root)
        if lack := missing_data(task, folder):
            raise TaskError(lack)
        prepared, counts, _ = prepare_and_count(task, folder)
        dataset = prepared.dataset
        images, classes = image_facts(dataset.images, workers), class_counts(prepared)
        texts = text_lengths([text.text for text in prepared.texts or dataset.texts], reader)
        repeated = _repeated(prepared)
        return Preview(
            task=task,
            folder=folder,
            prepared=prepared,
            counts=counts,
            samples=scored_samples(task, dataset, prepared.class_labels, count),
            images=images,
            classes=classes,
            texts=texts,
            repeated=repeated,
            attention=[*dataset.notes, *attention(prepared, images, classes, texts, repeated)],
        )


def _repeated(prepared: Prepared[Any]) -> Repeats | None:
    """Count captions of several images; None where no text is compared with images, as with questions to answer."""
    dataset = prepared.dataset
    if not prepared.texts or dataset.positives is None or dataset.owner is None:
        return None
    return repeats([text.text.strip() for text in dataset.texts], dataset.owner)

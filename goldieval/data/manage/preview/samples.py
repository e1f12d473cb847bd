"""Samples of a task as a person reads them: a picture with its class, its texts and its mask."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np

from goldieval.data.masks import MaskSource
from goldieval.data.samples import Dataset, ImageSample

TEXTS_SHOWN = 6  # of one picture


@dataclass(frozen=True)
class PreviewText:
    """One text about a picture.

    Attributes:
        role: What the text is for the picture: ``caption``, ``true``, ``false``, ``question``, ``told``, ``answer``,
            ``box`` or ``corruption``.
        text: The text.
    """

    role: str
    text: str


@dataclass(frozen=True)
class PreviewSample:
    """One picture with everything that the task says about it.

    Attributes:
        image: The picture.
        label: Name of its class, or an empty string.
        texts: Its texts, at most ``TEXTS_SHOWN``.
        more_texts: Number of its texts that are not in ``texts``.
        mask: Its mask, if the task has masks.
        train: Whether it is a training image.
        boxes: Corners and name of its boxes, at most ``TEXTS_SHOWN``.
    """

    image: ImageSample
    label: str = ""
    texts: Sequence[PreviewText] = ()
    more_texts: int = 0
    mask: MaskSource | None = None
    train: bool = False
    boxes: Sequence[tuple[Sequence[float], str]] = ()


def preview_samples(dataset: Dataset, names: Sequence[str] | None, count: int) -> list[PreviewSample]:
    """Return evenly spaced samples; with labels, evenly spaced in the order of the classes.

    Args:
        dataset: The samples of the task.
        names: Names of its classes, if it has classes.
        count: Number of samples.
    """
    rows = evenly_spaced(_order(dataset), count)
    texts, names_of_boxes = _texts_of(dataset, set(rows)), box_names(dataset)
    return [
        PreviewSample(
            image=dataset.images[row],
            label=_label(dataset, names, row),
            texts=texts[row][:TEXTS_SHOWN],
            more_texts=max(0, len(texts[row]) - TEXTS_SHOWN),
            mask=dataset.masks[row] if dataset.masks else None,
            train=bool(dataset.train is not None and dataset.train[row]),
            boxes=[(corners, names_of_boxes[box]) for box, corners in _boxes_on(dataset, row)[:TEXTS_SHOWN]],
        )
        for row in rows
    ]


def evenly_spaced(rows: Sequence[int], count: int) -> list[int]:
    """Return ``count`` evenly spaced rows, or all if there are no more.

    >>> evenly_spaced(range(10), 4), evenly_spaced(range(2), 4)
    ([0, 2, 5, 7], [0, 1])
    """
    count = min(count, len(rows))
    return [rows[place * len(rows) // count] for place in range(count)]


def _order(dataset: Dataset) -> list[int]:
    if dataset.labels is None:
        return list(range(len(dataset.images)))
    order: list[int] = np.argsort(dataset.labels, kind="stable").tolist()
    return order


def _label(dataset: Dataset, names: Sequence[str] | None, row: int) -> str:
    if dataset.labels is None:
        return ""
    number = int(dataset.labels[row])
    return names[number] if names and number < len(names) else f"class {number}"


def box_names(dataset: Dataset) -> list[str]:
    """Return the class or the true text of each box, if the data have boxes."""
    boxes = dataset.boxes
    if boxes is None:
        return []
    if boxes.candidates is not None:
        return [dataset.texts[row].text for row in boxes.candidates[:, 0].tolist()]
    names = dataset.class_names or []
    return [names[label] for label in boxes.labels.tolist()] if boxes.labels is not None else []


def _boxes_on(dataset: Dataset, image: int) -> list[tuple[int, list[float]]]:
    """Return index and corners of the boxes of an image."""
    if dataset.boxes is None:
        return []
    return [(int(box), dataset.boxes.corners[box].tolist()) for box in np.flatnonzero(dataset.boxes.image == image)]


def _texts_of(dataset: Dataset, rows: set[int]) -> dict[int, list[PreviewText]]:
    """Return the texts about each of the given images, in the order of the data."""
    found: dict[int, list[PreviewText]] = defaultdict(list)
    for row, role, text in _roles(dataset):
        new = PreviewText(role, text)
        if row in rows and new not in found[row]:
            found[row].append(new)
    return found


def _roles(dataset: Dataset) -> Iterable[tuple[int, str, str]]:
    """Yield image index, role and text of every pair of an image and a text."""
    texts = [text.text for text in dataset.texts]
    if dataset.boxes is not None:
        count: Counter[int] = Counter()
        for image, name in zip(dataset.boxes.image.tolist(), box_names(dataset), strict=True):
            count[image] += 1
            yield image, "box", f"{count[image]}: {name}"
    elif dataset.choices is not None:
        for query in dataset.choices.tolist():
            yield from ((image, "false" if place else "true", texts[text]) for place, (image, text) in enumerate(query))
    elif dataset.types is not None and dataset.owner is not None:
        for row, image in enumerate(dataset.owner.tolist()):
            yield from ((image, role, text) for role, text in question_roles(dataset, row))
    elif dataset.positives is not None:
        yield from ((image, "caption", texts[text]) for text, image in dataset.positives.tolist())


def question_roles(dataset: Dataset, row: int) -> list[tuple[str, str]]:
    """Return role and text of a question: what is told beside it, its options, and its answer, as far as there are any.

    Args:
        dataset: The questions.
        row: Row of the question.
    """
    options = dataset.options[row] if dataset.options is not None else []
    lettered = {letter: f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)}
    question = " ".join([dataset.texts[row].text, *lettered.values()])
    told = dataset.hints[row] if dataset.hints is not None else ""
    answer = str(dataset.answers[row]) if dataset.answers is not None else ""
    roles = [("told", told), ("question", question), ("answer", lettered.get(answer, answer))]
    return [(role, text) for role, text in roles if text]

"""The prepared form of a segmentation task: its masks, its classes and its texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from goldieval.core.errors import TaskError, listing
from goldieval.data.mask_files import LabelledSource
from goldieval.data.masks import MaskSource
from goldieval.families.base import Prepared
from goldieval.families.mmseg_parts import Definition, definition
from goldieval.tasks.card import Task
from goldieval.tasks.params import SegmentationParams
from goldieval.tasks.prompts import CLASS_NAMES, resolve


class ClassParams(Protocol):
    """The parameters that name classes.

    Attributes:
        definition: data set of mmsegmentation whose classes the labels have.
        class_names: name of each class in label order, or a text file with one per line.
    """

    @property
    def definition(self) -> str: ...

    @property
    def class_names(self) -> str | list[str] | None: ...


@dataclass(frozen=True)
class SegmentationClasses:
    """The classes of a task.

    Attributes:
        labels: label of each class, by which records identify it.
        lines: line of each class in the card or the data, in the form of ``params.class_names``.
        names: all names of all classes in texts; a class can have several.
        owner: class index of each name.
    """

    labels: list[str]
    lines: list[str]
    names: list[str]
    owner: list[int]


@dataclass(kw_only=True)
class SegmentationPrepared(Prepared[SegmentationParams]):
    """Pictures with masks, and every name of every class in every prompt.

    Attributes:
        masks: mask of each image, with the class of every pixel.
        classes: labels and names of the classes.
        filled: every prompt with every name, shape (names, prompts).
    """

    masks: list[MaskSource]
    classes: SegmentationClasses
    filled: list[list[str]]

    @property
    def class_labels(self) -> list[str]:
        return self.classes.labels


def segmentation_classes(task: Task, params: ClassParams, in_data: list[str] | None) -> SegmentationClasses:
    """Return the classes of a task.

    Args:
        task: the card.
        params: its parameters.
        in_data: names of the classes in the data, if the data have them.

    Raises:
        TaskError: there are no names, lists differ in length, or two classes have the same label.
    """
    source = task.card.source
    defined = definition(params.definition) if params.definition else None
    if defined is not None and isinstance(source, LabelledSource) and not source.values:
        defined = defined.for_labels(source.reduce_zero_label)
    given = None if params.class_names is None else resolve(task, params.class_names, CLASS_NAMES)
    labels, lines = _labels_and_lines(in_data, defined, given)
    owned = [(number, name) for number, line in enumerate(lines) for name in _parsed(line)[1]]
    return SegmentationClasses(labels, lines, [name for _, name in owned], [number for number, _ in owned])


def _labels_and_lines(
    in_data: list[str] | None, defined: Definition | None, given: list[str] | None
) -> tuple[list[str], list[str]]:
    """Return the label and the line of each class. Raises TaskError if there are none or the lists differ in length."""
    lists = {
        "the data": in_data,
        f"mmsegmentation's {defined.name}" if defined else "": list(defined.classes) if defined else None,
        "params.class_names": given,
    }
    given_lists = {where: names for where, names in lists.items() if names}
    if not given_lists:
        raise TaskError("no class names: give params.class_names, params.definition, or source.classes.")
    lengths = [f"{len(names):,} in {where}" for where, names in given_lists.items()]
    if len({len(names) for names in given_lists.values()}) > 1:
        raise TaskError(f"the lists of class names and labels differ in length: {', '.join(lengths)}.")
    labels = next(iter(given_lists.values()))
    if labels is given:
        labels = [_parsed(line)[0] for line in labels]
    duplicates = [label for number, label in enumerate(labels) if label in labels[:number]]
    if duplicates:  # records identify classes by their label
        raise TaskError(f"several classes have the same name: {listing(duplicates)}.")
    return labels, given or labels


def _parsed(line: str) -> tuple[str, list[str]]:
    """Return the label and the names of ``label: name, name``. Without a label, the first name is the label."""
    label, _, names_part = line.rpartition(":")
    names = [name.strip() for name in names_part.split(",") if name.strip()]
    if not names:
        raise TaskError(f"class name {line!r} has no name in it.")
    return label.strip() or names[0], names

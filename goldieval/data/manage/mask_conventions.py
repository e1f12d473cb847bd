"""Masks whose file names tell their classes, because a shipped task has the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goldieval.data.manage.mask_values import NO_LABEL, Meaning, SeenValues, ignored_note, ranges, values_note
from goldieval.data.mask_files import LabelledSource
from goldieval.tasks.catalogue import Catalogue
from goldieval.tasks.params import SegmentationParams
from goldieval.tasks.prompts import CLASS_NAMES, resolve


@dataclass(frozen=True)
class Convention:
    """Classes of a shipped task.

    Attributes:
        task: Name of the task.
        numbered: Whether the values are the numbers of its classes instead of those on its card.
    """

    task: str
    numbered: bool = False


# By a part of the path of a mask, or of the list of class names.
CONVENTIONS: Mapping[str, Convention] = {
    "SegmentationClass/": Convention("voc21"),
    "SegmentationClassAug/": Convention("voc21"),
    "_gtFine_labelIds.png": Convention("cityscapes"),
    "_gtFine_labelTrainIds.png": Convention("cityscapes", numbered=True),
    "stuffthingmaps/": Convention("coco-stuff"),
    "objectInfo150": Convention("ade20k"),
}


def meaning_by_convention(file: str, seen: SeenValues) -> Meaning | None:
    """Return the meaning of values by the path of a mask or of a list of names, or None without a convention."""
    found = next((convention for part, convention in CONVENTIONS.items() if part in file), None)
    task = Catalogue().tasks.get(found.task) if found else None
    if found is None or task is None:
        return None
    params, source = task.card.params, task.card.source
    assert isinstance(params, SegmentationParams) and isinstance(source, LabelledSource)
    names = resolve(task, params.class_names, CLASS_NAMES) if params.class_names else []
    first = int(source.reduce_zero_label)
    values = [int(value) for value in source.values if not found.numbered] or list(range(first, first + len(names)))
    if not names or len(values) != len(names):
        return None
    stated = {int(value) for value in source.ignore} | {NO_LABEL} | set(range(first))
    if set(seen.values) - set(values) - stated and not found.numbered:
        return None
    ignored = sorted((stated | set(seen.values)) - set(values))
    keys: dict[str, Any] = {"values": ranges(values), "ignore": ranges(ignored)}
    notes = [values_note(seen), f"classes and their names are those of the shipped task {found.task}"]
    return Meaning(keys, names, [*notes, *ignored_note(seen, values, {})])

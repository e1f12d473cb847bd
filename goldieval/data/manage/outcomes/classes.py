"""Outcomes of a zero-shot classification from a table: one row per image, with its class and what was predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goldieval.core.errors import GoldievalError, TaskError, listing
from goldieval.data.image_source import NoImage
from goldieval.data.manage.outcomes.class_rows import ClassRow, read_rows
from goldieval.data.manage.outcomes.image_names import ImageNames, distinct_names
from goldieval.data.manage.outcomes.imported import Imported
from goldieval.data.samples import ImageSample
from goldieval.metrics.ranks import Ranks
from goldieval.metrics.registry import metric_of
from goldieval.tasks.card import Task
from goldieval.tasks.params import ZeroshotParams
from goldieval.tasks.prompts import CLASS_NAMES, digest, resolve

if TYPE_CHECKING:
    from goldieval.data.samples import Dataset

UNKNOWN_RANK = "the table holds no ranks, so that of top-k only top-1 is known"


def classes_of_table(task: Task, folder: Path, file: Path, columns: Mapping[str, str]) -> Imported:
    """Return outcomes and metrics of a zero-shot classification.

    Args:
        task: the task.
        folder: folder of its data, which may not exist.
        file: the table.
        columns: column by role, in place of the usual ones.

    Raises:
        GoldievalError: the table is invalid or does not fit the task.
    """
    from goldieval.families.calibration import calibration_of
    from goldieval.families.classes import class_metrics, class_outcomes

    dataset, unchecked = _annotations(task, folder)
    names, details = _class_names(task, folder, dataset)
    rows, roles = read_rows(file, columns, names)
    images, labels, rows = _images(task, file, rows, dataset)
    place, one = np.array([row.rank - 1 for row in rows]), np.ones(len(rows), dtype=np.int64)
    predicted = [labels[n] if row.rank == 1 else row.prediction for n, row in enumerate(rows)]
    known = np.array([-1 if each is None else each for each in predicted])
    ranks = Ranks(place, np.zeros(len(rows), dtype=np.int64), one, one, len(names))
    outcomes = class_outcomes(images, labels, names, ranks, known, place)
    if (known < 0).any():
        del outcomes["prediction"]
    outcomes |= _groups(task, file, rows, dataset)
    if "confidence" in roles:
        outcomes["confidence"] = np.array([row.confidence for row in rows], dtype=float)
    metrics = class_metrics(task, outcomes, len(names))
    if "rank" not in roles:
        metrics = {name: metric for name, metric in metrics.items() if getattr(metric_of(name), "k", 1) == 1}
    calibration = calibration_of(outcomes, "those of the imported table") if "confidence" in roles else None
    return Imported(
        outcomes=outcomes,
        metrics=metrics,
        seen={"images": len(images), "classes": len(names)},
        roles=roles,
        unchecked=unchecked,
        warnings=[] if "rank" in roles else [UNKNOWN_RANK],
        details=details,
        more={"calibration": calibration},
    )


def _groups(task: Task, file: Path, rows: Sequence[ClassRow], dataset: Dataset | None) -> dict[str, np.ndarray]:
    """Return the column ``group`` of the outcomes for a card with groups: by the annotations, else by the table."""
    from goldieval.families.groups import check_groups, group_column

    names = _params(task).groups
    if dataset is not None and dataset.labels is not None:
        check_groups(dataset, names)
        return group_column(dataset, names)
    given = [row.group if row.group in names else "" for row in rows]
    if lacking := [name for name in names if name not in given]:
        raise GoldievalError(f"{file}: no row is of {listing(lacking)}. Name their column: --columns group=COLUMN")
    return {"group": np.array(given, dtype=object)} if names else {}


def _params(task: Task) -> ZeroshotParams:
    params = task.card.params
    assert isinstance(params, ZeroshotParams)
    return params


def _annotations(task: Task, folder: Path) -> tuple[Dataset | None, str]:
    try:
        return task.card.source.prepared(folder)[0], ""
    except TaskError as error:
        return None, str(error)


def _class_names(task: Task, folder: Path, dataset: Dataset | None) -> tuple[list[str], dict[str, str]]:
    """Return the names of the classes and the record's field with their hash; numbers where names are not here."""
    given = _params(task).class_names
    names = resolve(task, given, CLASS_NAMES) if given is not None else dataset.class_names if dataset else None
    if names:
        return names, {"class_names_sha256": digest(names)}
    if not task.card.expect.classes:
        how = task.card.source.how_to_get(folder, task.name)
        raise GoldievalError(f"{task.name}: its classes are in its data, which are not here. {how}")
    return [f"class {number}" for number in range(task.card.expect.classes)], {}


def _images(
    task: Task, file: Path, rows: list[ClassRow], dataset: Dataset | None
) -> tuple[list[ImageSample], np.ndarray, list[ClassRow]]:
    """Return images, their classes, and the row of each: in the order of the annotations, if these are here."""
    expected = task.card.expect.images
    if dataset is None or dataset.labels is None:
        if expected and len(rows) != expected:
            raise GoldievalError(f"{file}: {len(rows):,} rows, but {task.name} has {expected:,} images.")
        if any(row.label is None for row in rows):
            raise GoldievalError(f"{file}: no column holds the true classes. Name it: --columns answer=COLUMN")
        names = distinct_names([(row.where, row.name) for row in rows])
        images = [ImageSample(name, NoImage(), name) for name in names]
        return images, np.array([row.label for row in rows]), rows
    places = ImageNames([(image.id, image.path) for image in dataset.images])
    found: dict[int, ClassRow] = {}
    for row in rows:
        number = places.find(row.name)
        if number in found:
            raise GoldievalError(f"{row.where}: {found[number].where} is about the same image: {row.name[:60]!r}.")
        if number is None:
            raise GoldievalError(f"{row.where}: {task.name} has no such image: {row.name[:60]!r}.")
        found[number] = _labelled(row, int(dataset.labels[number]))
    if len(found) < len(dataset.images):
        raise GoldievalError(f"{file}: {len(found):,} rows, but {task.name} has {len(dataset.images):,} images.")
    return dataset.images, dataset.labels, [found[number] for number in range(len(dataset.images))]


def _labelled(row: ClassRow, label: int) -> ClassRow:
    """Return a row with the class of the annotations, which that of the table may not contradict."""
    if row.label is not None and row.label != label:
        raise GoldievalError(f"{row.where}: class {row.label}, but the annotations say {label}.")
    rank = row.rank or (1 if row.prediction == label else 2)
    return replace(row, label=label, rank=rank)

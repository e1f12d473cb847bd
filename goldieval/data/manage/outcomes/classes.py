"""Outcomes of a zero-shot classification from a table: one row per image, with its class and what was predicted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.image_source import NoImage
from goldieval.data.manage.outcomes.columns import Roles, roles_of
from goldieval.data.manage.outcomes.imported import Imported
from goldieval.data.manage.outcomes.items import base_name
from goldieval.data.samples import ImageSample
from goldieval.data.table_files import read_table, text_in, value_of
from goldieval.metrics.ranks import Ranks
from goldieval.tasks.card import Task
from goldieval.tasks.params import ZeroshotParams
from goldieval.tasks.prompts import CLASS_NAMES, digest, resolve

if TYPE_CHECKING:
    from goldieval.data.samples import Dataset

UNKNOWN_RANK = "the table holds no ranks, so that of top-k only top-1 is known"


@dataclass(frozen=True)
class _Row:
    """One image.

    Attributes:
        where: location for error messages.
        name: name of the image, or its place in the table.
        label: its true class; None if the table does not say.
        prediction: the predicted class; None if the table does not say.
        rank: rank of the true class, from 1; 2 stands for a wrong prediction of unknown rank.
        confidence: probability of the predicted class; None if the table does not say.
    """

    where: str
    name: str
    label: int | None
    prediction: int | None
    rank: int
    confidence: float | None


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
    rows, roles = _read(file, columns, names)
    images, labels, rows = _images(task, file, rows, dataset)
    place, one = np.array([row.rank - 1 for row in rows]), np.ones(len(rows), dtype=np.int64)
    predicted = [labels[n] if row.rank == 1 else row.prediction for n, row in enumerate(rows)]
    known = np.array([-1 if each is None else each for each in predicted])
    ranks = Ranks(place, np.zeros(len(rows), dtype=np.int64), one, one, len(names))
    outcomes = class_outcomes(images, labels, names, ranks, known, place)
    if (known < 0).any():
        del outcomes["prediction"]
    if "confidence" in roles:
        outcomes["confidence"] = np.array([row.confidence for row in rows], dtype=float)
    metrics = class_metrics(task, outcomes, len(names))
    if "rank" not in roles:
        metrics = {name: metric for name, metric in metrics.items() if not re.fullmatch("acc([2-9]|[1-9][0-9]+)", name)}
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


def _annotations(task: Task, folder: Path) -> tuple[Dataset | None, str]:
    try:
        return task.card.source.prepared(folder)[0], ""
    except TaskError as error:
        return None, str(error)


def _class_names(task: Task, folder: Path, dataset: Dataset | None) -> tuple[list[str], dict[str, str]]:
    """Return the names of the classes and the record's field with their hash; numbers where names are not here."""
    given = task.card.params.class_names if isinstance(task.card.params, ZeroshotParams) else None
    names = resolve(task, given, CLASS_NAMES) if given is not None else dataset.class_names if dataset else None
    if names:
        return names, {"class_names_sha256": digest(names)}
    if not task.card.expect.classes:
        how = task.card.source.how_to_get(folder, task.name)
        raise GoldievalError(f"{task.name}: its classes are in its data, which are not here. {how}")
    return [f"class {number}" for number in range(task.card.expect.classes)], {}


def _read(file: Path, columns: Mapping[str, str], names: Sequence[str]) -> tuple[list[_Row], Roles]:
    table = list(read_table(file))
    if not table:
        raise GoldievalError(f"{file} has no rows.")
    roles = roles_of(list(table[0][1]), columns)
    if not {"correct", "rank", "prediction"} & set(roles.columns):
        raise GoldievalError(
            f"{file}: no column says what was predicted. Name one: --columns prediction=COLUMN, correct=COLUMN or "
            "rank=COLUMN"
        )
    return [_row(where, row, number, roles, names) for number, (where, row) in enumerate(table)], roles


def _row(where: str, row: dict[str, Any], number: int, roles: Roles, names: Sequence[str]) -> _Row:
    name = roles.text(where, row, "id") or base_name(roles.text(where, row, "image")) or f"row {number}"
    label, prediction = (_class(where, row, roles, role, names) for role in ("answer", "prediction"))
    rank = _rank(where, row, roles, label, prediction)
    return _Row(where, name, label, prediction, rank, _confidence(where, row, roles))


def _class(where: str, row: dict[str, Any], roles: Roles, role: str, names: Sequence[str]) -> int | None:
    """Return the class in a column by its number from 0 or its name; None without that column."""
    if role not in roles:
        return None
    text = text_in(where, row, roles.columns[role][0]).strip()
    if re.fullmatch(r"[0-9]{1,7}(\.0)?", text) and int(text.removesuffix(".0")) < len(names):
        return int(text.removesuffix(".0"))
    if names.count(text) == 1:
        return names.index(text)
    wanted = f"a class number from 0 to {len(names) - 1}, or the name of a class"
    raise TaskError(f"{where}: {roles.columns[role][0]!r} should be {wanted}, but is {text[:40]!r}.")


def _rank(where: str, row: dict[str, Any], roles: Roles, label: int | None, prediction: int | None) -> int:
    if "rank" in roles:
        return roles.rank(where, row)
    if "correct" in roles:
        return 1 if roles.is_right(where, row, "correct") else 2
    return 0 if label is None else 1 if label == prediction else 2  # 0: the label comes with the annotations


def _confidence(where: str, row: dict[str, Any], roles: Roles) -> float | None:
    if "confidence" not in roles:
        return None
    value = value_of(where, row, roles.columns["confidence"][0])
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 <= number <= 1:
        raise TaskError(f"{where}: a confidence should be a number from 0 to 1, but is {str(value)[:40]!r}.")
    return number


def _images(
    task: Task, file: Path, rows: list[_Row], dataset: Dataset | None
) -> tuple[list[ImageSample], np.ndarray, list[_Row]]:
    """Return images, their classes, and the row of each: in the order of the annotations, if these are here."""
    expected = task.card.expect.images
    if dataset is None or dataset.labels is None:
        if expected and len(rows) != expected:
            raise GoldievalError(f"{file}: {len(rows):,} rows, but {task.name} has {expected:,} images.")
        if any(row.label is None for row in rows):
            raise GoldievalError(f"{file}: no column holds the true classes. Name it: --columns answer=COLUMN")
        images = [ImageSample(row.name, NoImage(), row.name) for row in rows]
        return images, np.array([row.label for row in rows]), rows
    by_name = {name: n for n, image in enumerate(dataset.images) for name in (image.id, base_name(image.path))}
    found: dict[int, _Row] = {}
    for row in rows:
        number = by_name.get(row.name)
        if number is None or number in found:
            again = "another row is about" if number is not None else "no such"
            raise GoldievalError(f"{row.where}: {again} image of {task.name}: {row.name[:60]!r}.")
        found[number] = _labelled(row, int(dataset.labels[number]))
    if len(found) < len(dataset.images):
        raise GoldievalError(f"{file}: {len(found):,} rows, but {task.name} has {len(dataset.images):,} images.")
    return dataset.images, dataset.labels, [found[number] for number in range(len(dataset.images))]


def _labelled(row: _Row, label: int) -> _Row:
    """Return a row with the class of the annotations, which that of the table may not contradict."""
    if row.label is not None and row.label != label:
        raise GoldievalError(f"{row.where}: class {row.label}, but the annotations say {label}.")
    rank = row.rank or (1 if row.prediction == label else 2)
    return _Row(row.where, row.name, label, row.prediction, rank, row.confidence)

"""The samples that imported outcomes are of: the card's annotations or, where these are not here, the table's."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.crossed import QUERIES
from goldieval.data.manage.outcomes.items import Item, base_name
from goldieval.data.manage.outcomes.table_dataset import dataset_of_table
from goldieval.data.samples import Dataset
from goldieval.tasks.card import Task


@dataclass(frozen=True)
class Samples:
    """The samples of a task with the items that answer its queries.

    Attributes:
        dataset: the samples.
        order: index of the item of each unit of the dataset, (units,): a unit is a query or the queries of a set.
        unchecked: why the items were not compared with the card's annotations; empty if they were.
    """

    dataset: Dataset
    order: np.ndarray
    unchecked: str = ""


def samples_of(task: Task, folder: Path, items: Sequence[Item], sets: bool) -> Samples:
    """Return the samples that items are about.

    Args:
        task: the task.
        folder: folder of its data, which may not exist.
        items: the rows of the table.
        sets: whether every item holds the answers to the queries of a set.

    Raises:
        GoldievalError: an item is not one of the card's, one of these has no item, or there are too few or too many.
    """
    try:
        dataset, _ = task.card.source.prepared(folder)
    except TaskError as error:
        return Samples(dataset_of_table(task, folder, items, sets), np.arange(len(items)), str(error))
    return Samples(dataset, _matched(task, dataset, items, sets))


def _matched(task: Task, dataset: Dataset, items: Sequence[Item], sets: bool) -> np.ndarray:
    """Return the item of each unit of the annotations."""
    units = _units_of_sets(dataset) if sets else _units_of_queries(dataset)
    waiting: dict[tuple[str, ...], deque[int]] = defaultdict(deque)
    for number, unit in enumerate(units):
        for key in {(unit.id, "", "", ""), *product([""], ["", unit.image], ["", *unit.true], ["", *unit.false])}:
            waiting[key].append(number)
    found = np.full(len(units), -1)
    for number, item in enumerate(items):
        key = (item.id, "", "", "") if item.id else ("", "" if sets else item.image, item.true, item.false)
        fits = (unit for unit in waiting[key] if found[unit] < 0 and _in_stratum(dataset, units[unit], item))
        place = next(fits, None)
        if place is None or not any(key):
            raise GoldievalError(f"{item.where}: {task.name} has no such item{_again(waiting[key])}: {_shown(key)}.")
        found[place] = number
    if missing := np.flatnonzero(found < 0).tolist():
        example = _shown(("", units[missing[0]].image, *units[missing[0]].true[:1], *units[missing[0]].false[:1]))
        raise GoldievalError(f"{len(missing):,} of the {len(units):,} items of {task.name} have no row: {example}, …")
    return found


@dataclass(frozen=True)
class _Unit:
    """What identifies a query, or the queries of a set, of which ``query`` is the first one: id, image and texts."""

    query: int
    id: str
    image: str
    true: Sequence[str]
    false: Sequence[str]


def _units_of_queries(dataset: Dataset) -> list[_Unit]:
    if dataset.choices is None:
        return []
    units = []
    for number, pairs in enumerate(dataset.choices):
        image, texts = dataset.images[pairs[0, 0]], [dataset.texts[text].text.strip() for text in pairs[:, 1]]
        id = dataset.texts[pairs[0, 1]].id
        name = base_name(image.path or image.id)
        units.append(_Unit(number, id, name, texts[: dataset.trues], texts[dataset.trues :]))
    return units


def _units_of_sets(dataset: Dataset) -> list[_Unit]:
    first = range(0, len(dataset.texts), 2)
    texts = [text.text.strip() for text in dataset.texts]
    return [
        _Unit(len(QUERIES) * row // 2, dataset.texts[row].id[:-2], "", [texts[row]], [texts[row + 1]]) for row in first
    ]


def _in_stratum(dataset: Dataset, unit: _Unit, item: Item) -> bool:
    mask = dataset.strata.get(item.stratum)
    return mask is None or bool(mask[unit.query])


def _again(waiting: Sequence[int]) -> str:
    return " left, each is answered by another row" if waiting else ""


def _shown(parts: Sequence[str]) -> str:
    return ", ".join(repr(part[:60]) for part in parts if part) or "the row names no image and no caption"

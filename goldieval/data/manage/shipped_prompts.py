"""Prompts and class names of the shipped task whose classes an imported data set has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import Catalogue
from goldieval.tasks.params import ZeroshotParams
from goldieval.tasks.prompts import CLASS_NAMES, resolve

PLACEHOLDER = re.compile(r"(?:class )?\d+")  # of a data set that numbers its classes


@dataclass(frozen=True)
class ShippedPrompts:
    """Prompts of a shipped task.

    Attributes:
        task: Name of the task.
        prompts: Value of ``params.prompts`` for a card.
        names: Its class names in the order of the data's, or empty if the card has none.
    """

    task: str
    prompts: Any
    names: list[str]


def shipped_prompts(data_set: str, names: Sequence[str]) -> ShippedPrompts | None:
    """Return the prompts of the shipped task with the same classes, or of the same name and number of classes.

    Args:
        data_set: Name of the imported data set.
        names: Its class names.
    """
    for task in Catalogue().tasks.values():
        params = task.card.params
        if isinstance(params, ZeroshotParams) and task.card.expect.classes == len(names) and not _is_generated(task):
            own = resolve(task, params.class_names, CLASS_NAMES) if params.class_names else []
            ordered, called = _in_order(own, names), _plain(task.name) in _plain(data_set)
            if ordered or (called and not own) or (called and all(PLACEHOLDER.fullmatch(name) for name in names)):
                prompts = task.card.model_dump(mode="json", exclude_defaults=True)["params"]["prompts"]
                return ShippedPrompts(task.name, prompts, ordered or list(own))
    return None


def _is_generated(task: Task) -> bool:
    return not task.card.source.on_disk or isinstance(task.card.model_dump()["params"]["prompts"], str)


def _in_order(own: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return a task's class names in the order of the data's, or nothing if the classes are not the same."""
    by_plain = {_plain(name): name for name in own}
    found = [by_plain.get(_plain(name), "") for name in names]
    same = len(by_plain) == len(own) == len(set(found)) and all(found)
    return found if same else (list(own) if list(own) == list(names) else [])


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())

"""Checks of task cards and suites: whether they parse, and whether their pinned prompts match clip-benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from goldieval.core.environment import versions
from goldieval.core.errors import GoldievalError, listing
from goldieval.doctor.check import Check, reason
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import Catalogue
from goldieval.tasks.params import Pinned
from goldieval.tasks.prompts import CLASS_NAMES, PROMPTS, resolve

# The file of clip-benchmark that a parameter of a card is pinned to.
FILES = {"prompts": PROMPTS, "class_names": CLASS_NAMES}


def checks() -> list[Check]:
    """Check all cards and suites of the installation; the prompts are checked only if every card parses."""
    try:
        catalogue = Catalogue()
        if catalogue.errors:
            return [Check("task cards", False, listing(catalogue.errors.values(), 2))]
        catalogue.select(catalogue.suites)
        for suite in catalogue.suites.values():
            catalogue.select(task for resolved in suite.home.values() for task in resolved.tasks)
    except GoldievalError as error:
        return [Check("task cards", False, reason(error))]
    parsed = f"{len(catalogue.tasks)} cards and {len(catalogue.suites)} suites parse"
    return [Check("task cards", True, parsed), prompts(list(catalogue.tasks.values()))]


def prompts(tasks: list[Task]) -> Check:
    """Compare every pinned list of prompts and class names with the installed clip-benchmark."""
    pins = [(task, name, pin) for task in tasks for name, pin in pinned(task)]
    drifted = []
    for task, name, pin in pins:
        try:
            resolve(task, pin, FILES[name])
        except Exception as error:
            drifted.append(reason(error))
    if drifted:
        return Check("prompts", False, listing(drifted, 2))
    installed = versions()["clip-benchmark"]
    return Check("prompts", True, f"{len(pins)} pinned lists match clip-benchmark {installed}")


def pinned(task: Task) -> Iterator[tuple[str, Pinned]]:
    """Yield the parameters of a card that are pinned to clip-benchmark."""
    for name in FILES:
        if isinstance(pin := getattr(task.card.params, name, None), Pinned):
            yield name, pin


def with_data(root: Path) -> tuple[int, int]:
    """Return the number of tasks whose data are below ``root``, and the number of tasks that need data on disk."""
    real = [task for task in Catalogue().tasks.values() if task.card.source.on_disk]
    folders = [(task.card.source, task.folder(root)) for task in real]
    return sum(folder.is_dir() and not source.missing(folder) for source, folder in folders), len(real)

"""``goldieval data where``: the data folder of each task, whether its data are present, and their size on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.core.paths import inside
from goldieval.data.fetch.lockfile import origin_labels
from goldieval.tasks.card import Task


def state(task: Task, root: Path) -> str:
    """Return ``present``, ``missing``, ``made here``, or ``refused`` if the card names files outside its folder."""
    source = task.card.source
    if not source.on_disk:
        return "made here"
    try:
        folder = task.folder(root)
        return "present" if folder.is_dir() and not source.missing(folder) else "missing"
    except TaskError:
        return "refused"


def data_locations(tasks: Iterable[Task], root: Path) -> list[dict[str, Any]]:
    """Return state, folder, bytes on disk (of all tasks in that folder) and origins of each task.

    If this fails for a task, its state is ``unknown`` and the reason is given under ``fault``.
    """
    sizes: dict[Path, int] = {}
    rows = []
    for task in tasks:
        row: dict[str, Any] = {"task": task.name, "data": "", "folder": None, "bytes": None, "origins": []}
        try:
            with contained("looking for its data"):
                row |= _place(task, root, sizes)
        except TaskError as error:
            row |= {"data": "unknown", "fault": str(error)}
        rows.append(row)
    return rows


def _may_be_read(folder: Path, place: str) -> bool:
    try:
        return inside(folder, place) is not None
    except TaskError:  # a link that points outside
        return False


def _place(task: Task, root: Path, sizes: dict[Path, int]) -> dict[str, Any]:
    """Return the location of a task's data.

    Args:
        task: The task.
        root: The data root.
        sizes: Sizes of folders counted so far; updated.
    """
    on_disk, folder = task.card.source.on_disk, task.folder(root)
    if on_disk and folder not in sizes:
        sizes[folder] = bytes_in(folder)
    return {
        "data": state(task, root),
        "folder": str(folder) if on_disk else None,
        "bytes": sizes[folder] if on_disk else None,
        "origins": origin_labels(folder) if on_disk else [],
    }


def bytes_in(folder: Path) -> int:
    """Return the total size of the files below a folder, including those behind links that are followed."""
    total, seen = 0, set()
    for place, folders, files in os.walk(folder, followlinks=True):
        about = os.stat(place)
        if (about.st_dev, about.st_ino) in seen:  # a link to a parent folder
            folders.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        folders[:] = [name for name in folders if _may_be_read(folder, os.path.join(place, name))]
        total += sum(os.stat(file).st_size for name in files if os.path.exists(file := os.path.join(place, name)))
    return total

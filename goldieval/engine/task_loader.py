"""Load the tasks of a selection, each once per run, and explain what is missing."""

from __future__ import annotations

from pathlib import Path

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError, listing
from goldieval.core.processes.group import OneProcess, Ranks
from goldieval.data.fetch.lockfile import origin_labels
from goldieval.data.fetch.staging import is_incomplete
from goldieval.engine.load import LoadedTask, load_task_data
from goldieval.engine.plan import PlannedTask, SkippedTask
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import Selection, command_name


class TaskLoader:
    """Loads the data of each task once, whatever the number of models.

    Attributes:
        root: folder of all data.
    """

    def __init__(
        self,
        root: Path,
        limit: int | None,
        workers: int,
        requested_mode: str | None = None,
        subset: str = "",
        ranks: Ranks = OneProcess(),
    ) -> None:
        """Set what is loaded.

        Args:
            root: folder of all data.
            limit: number of images to take of each task; None for all.
            workers: number of threads that read.
            requested_mode: scoring mode that the run requests; None leaves it to the cards.
            subset: ``present`` leaves out images whose picture file is missing.
            ranks: the processes that share the reading of pictures.
        """
        self._ranks = ranks
        self.root, self._limit, self._workers = root, limit, workers
        self._requested_mode, self._subset = requested_mode, subset
        self._cache: dict[tuple[str, str, Path], LoadedTask | str] = {}

    def load(self, selection: Selection) -> tuple[list[PlannedTask], list[SkippedTask]]:
        """Return the tasks to run, including those that fail, and the tasks of suites that are skipped.

        Raises:
            GoldievalError: ranks differ in the data that they have.
        """
        entries = [self._entry(task, selection) for task in selection.tasks]
        missing = {entry.task.name: self._missing_data(entry) for entry in entries}
        self._ranks.check_same("data", {name: line or "all data" for name, line in missing.items()})
        skipped = [self._skipped(task, reason) for task, reason in selection.skipped]
        planned = []
        for entry in entries:
            if missing[entry.task.name] and entry.by_suite and not entry.failure:
                skipped.append(self._skipped(entry.task, "its data are not on this machine"))
                continue
            planned.append(entry)
            entry.failure = entry.failure or missing[entry.task.name]
            if not entry.failure:
                self._load(entry)
        loaded = {entry.task.name: entry.loaded.sha256[:16] for entry in planned if entry.loaded is not None}
        self._ranks.check_same("data", loaded)
        return planned, skipped

    def _entry(self, task: Task, selection: Selection) -> PlannedTask:
        return PlannedTask(
            task,
            self.root,
            heading=selection.headings.get(task.name, ""),
            requested_mode=self._requested_mode,
            by_suite=task.name not in selection.by_name,
        )

    def _missing_data(self, entry: PlannedTask) -> str:
        """Find the folder of a task; return a line on the data that are missing, or nothing; note a failure."""
        try:
            with contained("looking for its data"):
                entry.folder = entry.task.folder(self.root)
                return missing_data(entry.task, entry.folder)
        except TaskError as error:
            entry.fail(error)
            return entry.failure

    def _load(self, entry: PlannedTask) -> None:
        key = (entry.task.name, entry.task.hash, entry.folder)
        try:
            if key not in self._cache:
                with self._ranks.together(f"reading {entry.task.name}"):
                    self._cache[key] = load_task_data(
                        entry.task, entry.folder, self._limit, self._workers, self._subset, self._ranks
                    )
            with contained(f"reading the lock file of {entry.folder}"):
                entry.origins = origin_labels(entry.folder) if entry.task.card.source.on_disk else []
        except TaskError as error:
            self._cache[key] = str(error)
        cached = self._cache[key]
        if isinstance(cached, str):
            entry.fail(TaskError(cached))
        else:
            entry.loaded = cached

    def _skipped(self, task: Task, reason: str) -> SkippedTask:
        try:
            with contained("looking for a way to get it"):
                how_to_get = task.card.source.how_to_get(task.folder(self.root), command_name(task))
                return SkippedTask(task, reason, how_to_get)
        except TaskError as error:
            return SkippedTask(task, reason, str(error))


def missing_data(task: Task, folder: Path) -> str:
    """Return what is missing of the data of a task and how to get it, or nothing. Raises TaskError.

    Args:
        task: the task.
        folder: folder of its data.
    """
    lack = lack_of_data(task, folder, str(folder))
    if not lack:
        return ""
    how_to_get = task.card.source.how_to_get(folder, command_name(task))
    if task.card.source.on_disk and is_incomplete(folder):
        return f"{lack}. To continue it: {how_to_get}"
    return f"no data: {lack}. To get it: {how_to_get}"


def lack_of_data(task: Task, folder: Path, shown: str) -> str:
    """Return what is missing of the data of a task, or nothing. Raises TaskError.

    Args:
        task: the task.
        folder: folder of its data.
        shown: the folder as a person reads it.
    """
    source = task.card.source
    if source.on_disk and is_incomplete(folder):
        return f"{shown} is incomplete: a download was interrupted while its files were moved there"
    if source.on_disk and not folder.is_dir():
        return f"there is no folder {shown}"
    lacking = source.missing(folder)
    return f"{shown} lacks {listing(lacking)}" if lacking else ""

"""What one model has to do on the tasks of a run, known before any work is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldieval.core.containment import contained, utf8_safe
from goldieval.core.errors import TaskError, listing
from goldieval.data.fetch.lockfile import origin_labels
from goldieval.data.fetch.staging import is_incomplete
from goldieval.data.samples import ImageSource
from goldieval.engine.encode import plan_images, plan_texts
from goldieval.engine.load import Loaded, load_task_data
from goldieval.engine.store import Chunk, Space, Store
from goldieval.families.base import Family, family_of
from goldieval.models.adapter import ModelInfo
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import Selection, command_name

HALF_MOVED = "{} is half there: a fetch was cut while its files moved in. To go on with it: {}"


@dataclass
class Item:
    """One task of a run: what was read of it, or why it cannot be run.

    Attributes:
        task: the card.
        folder: of its data.
        loaded: its samples, where they could be read.
        failure: why it cannot be run, else empty.
        heading: the suite's line over it.
        asked: the scoring mode that the run asks for; None leaves it to the card.
        origins: where the files come from.
        by_suite: chosen by a suite and not by its own name: what does not apply to a model is left out of its run.
    """

    task: Task
    folder: Path
    loaded: Loaded | None = None
    failure: str = ""
    heading: str = ""
    asked: str | None = None
    origins: list[str] = field(default_factory=list)
    by_suite: bool = False

    @property
    def family(self) -> Family[Any, Any]:
        return family_of(self.task.card.family)

    def fail(self, error: TaskError) -> None:
        """Note a failure: the task is recorded with its reason, and nothing more is done for it."""
        self.loaded, self.failure = None, utf8_safe(str(error))

    def scoring(self, info: ModelInfo) -> str:
        """Return the scoring mode in which a model meets this task."""
        return self.task.card.params.mode(info.scoring, self.asked)


@dataclass(frozen=True)
class LeftOut:
    """A task of a suite that is not run.

    Attributes:
        task: the card.
        reason: why it is not run.
        how: how to get it; empty where there is no way.
    """

    task: Task
    reason: str
    how: str

    @property
    def how_to_get_any(self) -> str:
        """``how`` for this and all tasks that are got alike: TASK stands for the name where that is part of it."""
        return self.how.replace(f"data get {command_name(self.task)}", "data get TASK")


@dataclass
class Tower:
    """The work of one tower.

    Attributes:
        contents: pictures or texts by content key.
        space: where their embeddings are stored.
        chunks: what is not stored yet.
    """

    contents: Mapping[str, str] | Mapping[str, ImageSource]
    space: Space
    chunks: list[Chunk]

    @property
    def missing(self) -> int:
        return sum(len(chunk.keys) for chunk in self.chunks)


@dataclass
class Plan:
    """What one model has to do.

    Attributes:
        info: the model.
        items: the tasks to run.
        left_out: tasks of suites that are not run.
        images: work of the image tower; None for precomputed embeddings.
        texts: work of the text tower; None for precomputed embeddings.
    """

    info: ModelInfo
    items: list[Item]
    left_out: list[LeftOut] = field(default_factory=list)
    images: Tower | None = None
    texts: Tower | None = None

    def leave_out(self, item: Item, why: str) -> bool:
        """Take a task of a suite that does not apply to the model out of the run; return False for one by name."""
        if item.by_suite:
            self.items.remove(item)
            self.left_out.append(LeftOut(item.task, f"not applicable: {why.rstrip('.')}", ""))
        return item.by_suite


class Reader:
    """Reads each task once, however many models meet it."""

    def __init__(
        self, root: Path, limit: int | None, workers: int, scoring: str | None = None, subset: str = ""
    ) -> None:
        self.root, self._limit, self._workers, self._scoring, self._subset = root, limit, workers, scoring, subset
        self._read: dict[tuple[str, str, Path], Loaded | str] = {}

    def items(self, selection: Selection) -> tuple[list[Item], list[LeftOut]]:
        """Return the tasks to run or to fail, and those that a suite names but that are not run."""
        left_out = [self._left_out(task, why) for task, why in selection.left_out]
        items = []
        for task in selection.tasks:
            item = Item(task, self.root, heading=selection.headings.get(task.name, ""), asked=self._scoring)
            item.by_suite = task.name not in selection.by_name
            try:
                lacking = self._lacking(item)
            except TaskError as error:
                lacking = ""
                item.fail(error)
            if lacking and item.by_suite:
                left_out.append(self._left_out(task, "its data are not on this machine"))
                continue
            items.append(item)
            item.failure = item.failure or lacking
            if not item.failure:
                self._load(item)
        return items, left_out

    def _lacking(self, item: Item) -> str:
        """Find the folder of a task; return a line on what it lacks, or nothing. Raises TaskError if that fails."""
        task, source = item.task, item.task.card.source
        with contained("looking for its data"):
            item.folder = task.folder(self.root)
            if source.on_disk and is_incomplete(item.folder):
                return HALF_MOVED.format(item.folder, source.how_to_get(item.folder, command_name(task)))
            there = item.folder.is_dir() or not source.on_disk
            lacking = source.missing(item.folder) if there else []
            if there and not lacking:
                return ""
            what = f"{item.folder} lacks {listing(lacking)}" if there else f"there is no folder {item.folder}"
            return f"no data: {what}. To get it: {source.how_to_get(item.folder, command_name(task))}"

    def _load(self, item: Item) -> None:
        key = (item.task.name, item.task.hash, item.folder)
        try:
            if key not in self._read:
                self._read[key] = load_task_data(item.task, item.folder, self._limit, self._workers, self._subset)
            with contained(f"reading the lock file of {item.folder}"):
                item.origins = origin_labels(item.folder) if item.task.card.source.on_disk else []
        except TaskError as error:
            self._read[key] = str(error)
        known = self._read[key]
        if isinstance(known, str):
            item.fail(TaskError(known))
        else:
            item.loaded = known

    def _left_out(self, task: Task, why: str) -> LeftOut:
        try:
            with contained("looking for a way to get it"):
                return LeftOut(task, why, task.card.source.how_to_get(task.folder(self.root), command_name(task)))
        except TaskError as error:
            return LeftOut(task, why, str(error))


def plan_towers(plan: Plan, store: Store) -> None:
    """Find what each tower must still encode, every distinct content once over all tasks."""
    sources: dict[str, ImageSource] = {}
    texts: dict[str, str] = {}
    for item in plan.items:
        if item.loaded is not None and not item.failure:
            sources |= item.loaded.sources if item.family.encodes_images(item.scoring(plan.info)) else {}
            texts |= item.loaded.texts
    image_space, text_space = store.space(plan.info.image_identity), store.space(plan.info.text_identity)
    plan.images = Tower(sources, image_space, plan_images(image_space, sources))
    plan.texts = Tower(texts, text_space, plan_texts(text_space, texts))

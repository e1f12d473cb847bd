"""What one model has to do on the tasks of a run, known before any work is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from goldieval.adapter import ModelInfo
from goldieval.card import Task
from goldieval.data.fetch.lockfile import labels
from goldieval.data.samples import ImageSource
from goldieval.embeddings import Chunk, Space, Store
from goldieval.encode import plan_images, plan_texts
from goldieval.errors import TaskError, listing
from goldieval.prepare import Loaded, load_task_data
from goldieval.registry import Selection, command_name
from goldieval.scoring.mode import needs_vectors


@dataclass
class Item:
    """One task of a run: what was read of it, or why it cannot be run.

    asked: the scoring mode that the run asks for; None leaves it to the card.   origins: where the files come from.
    """

    task: Task
    folder: Path
    loaded: Loaded | None = None
    failure: str = ""
    heading: str = ""
    asked: str | None = None
    origins: list[str] = field(default_factory=list)

    def scoring(self, info: ModelInfo) -> str:
        """Return the scoring mode in which a model meets this task."""
        return self.task.card.params.mode(info.scoring, self.asked)


@dataclass(frozen=True)
class LeftOut:
    """A task of a suite that is not run, why, and how to get it."""

    task: Task
    reason: str
    how: str

    @property
    def how_to_get_any(self) -> str:
        """``how`` for this and all tasks that are got alike: TASK stands for the name where that is part of it."""
        return self.how.replace(f"data get {command_name(self.task)}", "data get TASK")


@dataclass
class Tower:
    """The work of one tower: contents by key, where they are stored, and the chunks that are not."""

    contents: Mapping[str, str] | Mapping[str, ImageSource]
    space: Space
    chunks: list[Chunk]

    @property
    def missing(self) -> int:
        return sum(len(chunk.keys) for chunk in self.chunks)


@dataclass
class Plan:
    """Towers are None for precomputed embeddings, which encode nothing."""

    info: ModelInfo
    items: list[Item]
    left_out: list[LeftOut] = field(default_factory=list)
    images: Tower | None = None
    texts: Tower | None = None

    @property
    def runnable(self) -> list[Loaded]:
        return [item.loaded for item in self.items if item.loaded is not None]


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
            try:
                folder = task.folder(self.root)
                here = folder.is_dir() or not task.card.source.on_disk
                lacking = task.card.source.missing(folder) if here else ["it"]
            except TaskError as error:
                items.append(Item(task, self.root, heading=selection.headings.get(task.name, ""), asked=self._scoring))
                items[-1].failure = str(error)
                continue
            if lacking and task.name not in selection.by_name:
                left_out.append(self._left_out(task, "its data are not on this machine"))
                continue
            item = Item(task, folder, heading=selection.headings.get(task.name, ""), asked=self._scoring)
            items.append(item)
            if lacking:
                how = task.card.source.how_to_get(folder, command_name(task))
                item.failure = f"no data: {folder} lacks {listing(lacking)}. To get it: {how}"
            else:
                self._load(item)
        return items, left_out

    def _load(self, item: Item) -> None:
        key = (item.task.name, item.task.hash, item.folder)
        try:
            item.origins = labels(item.folder) if item.task.card.source.on_disk else []
            if key not in self._read:
                self._read[key] = load_task_data(item.task, item.folder, self._limit, self._workers, self._subset)
        except TaskError as error:
            self._read[key] = str(error)
        known = self._read[key]
        item.loaded = None if isinstance(known, str) else known
        item.failure = known if isinstance(known, str) else ""

    def _left_out(self, task: Task, why: str) -> LeftOut:
        return LeftOut(task, why, task.card.source.how_to_get(task.folder(self.root), command_name(task)))


def plan_towers(plan: Plan, store: Store) -> None:
    """Find what each tower must still encode, every distinct content once over all tasks."""
    by_vector = [item.loaded for item in plan.items if item.loaded and needs_vectors(item.scoring(plan.info))]
    sources = {key: source for loaded in by_vector for key, source in loaded.sources.items()}
    texts = {key: text for loaded in plan.runnable for key, text in loaded.texts.items()}
    image_space, text_space = store.space(plan.info.image_identity), store.space(plan.info.text_identity)
    plan.images = Tower(sources, image_space, plan_images(image_space, sources))
    plan.texts = Tower(texts, text_space, plan_texts(text_space, texts))
